"""The sender stage as a Faust app: one agent over the three lanes, ticks, the stall detector, the reconciler."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import faust
from faust.types import TP

from processors.sender.agent import STAGE, SenderAgent
from processors.sender.attempt_runner import AttemptRunner
from processors.sender.dependencies import SenderDeps, SenderPorts
from processors.sender.housekeeping import SenderHousekeeper
from processors.sender.partition_queues import PartitionQueues
from processors.sender.queue_runner import QueueRunner
from processors.sender.reconciler import Reconciler
from processors.sender.tables import ATTEMPTS, TABLES, THROTTLE, DurableStore, SenderTables
from processors.streaming.agent_loop import start_agent
from processors.streaming.app import SENDER_APP, AppConfig, StageApp
from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.ordered_acks import OrderedAcks
from processors.streaming.stall_detector import start_stall_detector
from processors.streaming.ticker import start_ticks
from processors.streaming.topics import changelog_topics
from schemas.topics import SENDER_INPUTS, KeySpace, Topic, registry

_LANES = tuple(topic.name for topic in SENDER_INPUTS)


class SenderStage(NamedTuple):
    """The two parts of the stage that Faust calls."""

    agent: SenderAgent
    queue_runner: QueueRunner


def sender_changelogs(partitions: int) -> tuple[Topic, ...]:
    """The topics behind the sender stage's tables."""
    return changelog_topics(SENDER_APP, TABLES, KeySpace.SENDER, partitions)


def sender_topics(partitions: int) -> tuple[Topic, ...]:
    """Every topic the sender stage reads or writes, for ``processors.streaming.topics.require_topics``."""
    return (*registry(partitions), *sender_changelogs(partitions))


def create_sender_app(config: AppConfig, ports: SenderPorts, fail: FailStop = fail_stop) -> faust.App:
    """Build the app of one sender worker. Nothing connects before the app runs.

    Args:
        config: This worker's settings.
        ports: What the stage works with; the caller opens and closes it.
        fail: Ends the worker.

    Raises:
        UnsupportedVersion: Faust, mode or aiokafka is not the version that smsflow's patches were written for.
    """
    app = StageApp(SENDER_APP, config)
    stage = build_sender_stage(
        SenderDeps(
            ports=ports,
            tables=_tables(app, ports),
            acks=OrderedAcks(config.in_flight, config.window, fail),
            fence=app.fence,
            tick_s=config.tick_s,
            fail=fail,
        )
    )
    start_agent(app, STAGE, _LANES, stage.agent.accept, fail)
    start_ticks(app, _LANES, config.tick_s, stage.queue_runner.tick, fail)
    start_stall_detector(app, _LANES, config.stall_s, fail)
    app.on_partitions_revoked.connect(stage.queue_runner.drain)
    app.on_before_shutdown.connect(stage.queue_runner.drain)
    _start_reconciler(app, ports)
    return app


def build_sender_stage(deps: SenderDeps) -> SenderStage:
    """Put the stage's parts together."""
    queues, housekeeper = PartitionQueues(deps), SenderHousekeeper(deps)
    attempts = AttemptRunner(deps, queues, housekeeper)
    return SenderStage(SenderAgent(deps, attempts), QueueRunner(deps, queues, attempts, housekeeper))


def _tables(app: StageApp, ports: SenderPorts) -> SenderTables:
    attempts, throttle = app.durable_table(ATTEMPTS), app.durable_table(THROTTLE)
    return SenderTables(DurableStore(attempts), DurableStore(throttle), ports.codec)


def _start_reconciler(app: faust.App, ports: SenderPorts) -> None:
    """Let the owner of partition 0 read Twilio's list: one worker at a time, as a rule."""
    every, window = timedelta(seconds=ports.reconcile_every_s), timedelta(seconds=ports.reconcile_window_s)
    reconciler = Reconciler(ports.history, ports.publisher, ports.codec, ports.clock, every, window)
    first = TP(_LANES[0], 0)

    async def reconcile() -> None:
        if not app.rebalancing and not app.should_stop and first in app.consumer.assignment():
            await reconciler.round()

    app.timer(ports.reconcile_every_s, traced=False, name="reconcile")(reconcile)
