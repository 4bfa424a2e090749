"""The person stage as a Faust app: one agent over all person topics, ticks, the stall detector."""

from __future__ import annotations

import faust

from processors.person.agent import STAGE, PersonAgent
from processors.person.decision_runner import DecisionRunner
from processors.person.dependencies import PersonDeps, PersonPorts
from processors.person.housekeeping import PersonHousekeeper
from processors.person.tables import TABLES, PersonTables
from processors.person.wakeups import WakeUpRunner
from processors.streaming.agent_loop import start_agent
from processors.streaming.app import PERSON_APP, AppConfig, StageApp
from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.ordered_acks import OrderedAcks
from processors.streaming.stall_detector import start_stall_detector
from processors.streaming.ticker import start_ticks
from processors.streaming.topics import changelog_topics
from schemas.topics import PERSON_INPUTS, KeySpace, Topic, registry

_INPUTS = tuple(topic.name for topic in PERSON_INPUTS)


def person_changelogs(partitions: int) -> tuple[Topic, ...]:
    """The topics behind the person stage's tables."""
    return changelog_topics(PERSON_APP, TABLES, KeySpace.PERSON, partitions)


def person_topics(partitions: int) -> tuple[Topic, ...]:
    """Every topic the person stage reads or writes, for ``processors.streaming.topics.require_topics``."""
    return (*registry(partitions), *person_changelogs(partitions))


def create_person_app(config: AppConfig, ports: PersonPorts, fail: FailStop = fail_stop) -> faust.App:
    """Build the app of one person worker. Nothing connects before the app runs.

    Args:
        config: This worker's settings.
        ports: What the stage works with; the caller opens and closes it.
        fail: Ends the worker.

    Raises:
        UnsupportedVersion: Faust, mode or aiokafka is not the version that smsflow's patches were written for.
    """
    app = StageApp(PERSON_APP, config)
    deps = PersonDeps(
        ports=ports,
        tables=PersonTables(app, ports.codec),
        acks=OrderedAcks(config.in_flight, config.window, fail),
        fence=app.fence,
        partitions=config.partitions,
    )
    decisions = DecisionRunner(deps)
    start_agent(app, STAGE, _INPUTS, PersonAgent(deps, decisions).accept, fail)
    start_ticks(app, _INPUTS, config.tick_s, WakeUpRunner(deps, decisions, PersonHousekeeper(deps)).tick, fail)
    start_stall_detector(app, _INPUTS, config.stall_s, fail)
    return app
