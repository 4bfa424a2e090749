"""The person stage as a Faust app: one agent over all person topics, ticks, the stall detector."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import faust

from processors.core.person.decide import decide
from processors.core.policy import Policy
from processors.person.agent import PersonAgent
from processors.person.dependencies import Decide, PersonDeps
from processors.person.tables import TABLES, PersonTables
from processors.person.wakeups import PersonWakeUps
from processors.streaming.app import PERSON_APP, AppConfig, StageApp
from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.ordered_acks import OrderedAcks
from processors.streaming.stall_detector import start_stall_detector
from processors.streaming.ticker import start_ticks
from processors.streaming.topics import changelog_topics
from schemas.codec import Codec
from schemas.ports import Clock, Publisher
from schemas.topics import PERSON_INPUTS, KeySpace, Topic, registry

_NAMES = tuple(topic.name for topic in PERSON_INPUTS)


def person_changelogs(partitions: int) -> tuple[Topic, ...]:
    """The topics behind the person stage's tables."""
    return changelog_topics(PERSON_APP, TABLES, KeySpace.PERSON, partitions)


def person_topics(partitions: int) -> tuple[Topic, ...]:
    """Every topic the person stage reads or writes, for `processors.streaming.topics.require_topics`."""
    return (*registry(partitions), *person_changelogs(partitions))


def create_person_app(
    config: AppConfig,
    policy: Policy,
    codec: Codec,
    publisher: Callable[[], Publisher],
    clock: Clock,
    decide: Decide = decide,
    fail: FailStop = fail_stop,
) -> faust.App:
    """Build the app; nothing connects before it runs.

    ``publisher`` is called once, on the worker's event loop. It must place a key where
    `processors.streaming.partitioner` says.
    """
    app = StageApp(PERSON_APP, config)
    parts = PersonDeps(
        tables=PersonTables(app, codec),
        acks=OrderedAcks(config.in_flight, config.window, fail),
        fence=app.fence,
        policy=policy,
        codec=codec,
        publisher=cache(publisher),
        clock=clock,
        partitions=config.partitions,
        decide=decide,
    )
    _read(app, PersonAgent(parts), fail)
    start_ticks(app, _NAMES, config.tick_s, PersonWakeUps(parts).tick, fail)
    start_stall_detector(app, _NAMES, config.stall_s, fail)
    return app


def _read(app: faust.App, stage: PersonAgent, fail: FailStop) -> None:
    async def person(stream: Any) -> None:
        try:
            async for event in stream.noack().events():
                await stage.accept(event)
        except Exception as error:  # noqa: BLE001  Faust would restart the agent and skip the event
            fail("the person stage's agent failed", error)

    app.agent(app.topic(*_NAMES, key_serializer="raw", value_serializer="raw"), name="person")(person)
