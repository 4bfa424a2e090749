"""The sender stage as a Faust app: one agent over the three lanes, a tick, and the reconciler. Connects to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import faust
from faust.types import TP

from processors.core.policy import Policy
from processors.sender.agent import SenderAgent, SenderDeps
from processors.sender.executor import Executor
from processors.sender.reconciler import Reconciler
from processors.sender.tables import ATTEMPTS, TABLES, THROTTLE, DurableStore, SenderTables
from processors.streaming.app import SENDER_APP, AppConfig, StageApp
from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.ordered_acks import OrderedAcks
from processors.streaming.stall_detector import start_stall_detector
from processors.streaming.ticker import start_ticks
from processors.streaming.topics import changelog_topics
from schemas.codec import Codec
from schemas.ports import Clock, MessageList, Publisher, Revocations, SmsSender
from schemas.topics import SENDER_INPUTS, KeySpace, Topic, registry

_LANES = tuple(topic.name for topic in SENDER_INPUTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPorts:
    """Whom the sender stage talks to, and how much at once.

    ``calls``: calls to Twilio open at once in this worker. ``reconcile_every_s``: how often the worker that owns
    partition 0 reads Twilio's message list, ``reconcile_window_s`` how far back.
    """

    sender: SmsSender
    history: MessageList
    publisher: Publisher
    revocations: Revocations
    clock: Clock
    policy: Policy
    codec: Codec
    calls: int = 50
    reconcile_every_s: float = 300.0
    reconcile_window_s: float = 2 * 86_400.0


def sender_changelogs(partitions: int) -> tuple[Topic, ...]:
    """The topics behind the sender stage's tables."""
    return changelog_topics(SENDER_APP, TABLES, KeySpace.SENDER, partitions)


def sender_topics(partitions: int) -> tuple[Topic, ...]:
    """Every topic the sender stage reads or writes, for `processors.streaming.topics.require_topics`."""
    return (*registry(partitions), *sender_changelogs(partitions))


def create_sender_app(config: AppConfig, outside: SenderPorts, fail: FailStop = fail_stop) -> faust.App:
    """The app of one sender worker; nothing connects before it runs. What is ``outside`` is its caller's to close."""
    app = StageApp(SENDER_APP, config)
    stage = _stage(app, config, outside, fail)
    _read(app, stage, fail)
    start_ticks(app, _LANES, config.tick_s, stage.tick, fail)
    start_stall_detector(app, _LANES, config.stall_s, fail)
    app.on_partitions_revoked.connect(stage.leave)
    app.on_before_shutdown.connect(stage.leave)
    _start_reconciler(app, outside)
    return app


def _read(app: faust.App, stage: SenderAgent, fail: FailStop) -> None:
    async def sender(stream: Any) -> None:
        try:
            async for event in stream.noack().events():
                await stage.accept(event)
        except Exception as error:  # noqa: BLE001  Faust would restart the agent and skip the event
            fail("the sender stage's agent failed", error)

    app.agent(app.topic(*_LANES, key_serializer="raw", value_serializer="raw"), name="sender")(sender)


def _stage(app: StageApp, config: AppConfig, outside: SenderPorts, fail: FailStop) -> SenderAgent:
    executor = Executor(
        outside.sender, outside.history, outside.revocations, app.fence, outside.clock, calls=outside.calls
    )
    tables = SenderTables(_store(app, ATTEMPTS), _store(app, THROTTLE), outside.codec)
    return SenderAgent(
        SenderDeps(
            tables=tables,
            executor=executor,
            publisher=outside.publisher,
            revocations=outside.revocations,
            fence=app.fence,
            clock=outside.clock,
            policy=outside.policy,
            codec=outside.codec,
            acks=OrderedAcks(config.in_flight, config.window, fail),
            calls=outside.calls,
            tick_s=config.tick_s,
            fail=fail,
        )
    )


def _start_reconciler(app: faust.App, outside: SenderPorts) -> None:
    """Let the owner of partition 0 read Twilio's list: one worker at a time, as a rule."""
    every, window = timedelta(seconds=outside.reconcile_every_s), timedelta(seconds=outside.reconcile_window_s)
    reconciler = Reconciler(outside.history, outside.publisher, outside.codec, outside.clock, every, window)
    first = TP(_LANES[0], 0)

    async def reconcile() -> None:
        if not app.rebalancing and not app.should_stop and first in app.consumer.assignment():
            await reconciler.round()

    app.timer(outside.reconcile_every_s, traced=False, name="reconcile")(reconcile)


def _store(app: StageApp, name: str) -> DurableStore:
    return DurableStore(app.durable_table(name))
