"""The person stage as a Faust app: one agent over all person topics, ticks, the watchdog."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import faust

from processors.acks import OrderedAcks
from processors.app import PERSON_APP, AppConfig, base_app, changelog_topics, fence_of
from processors.core.person import decide
from processors.core.policy import Policy
from processors.fail_stop import FailStop, fail_stop
from processors.person.parts import Decide, Parts
from processors.person.stage import PersonStage
from processors.person.tables import TABLES, PersonTables
from processors.person.wakes import PersonWakes
from processors.ports import Clock, Publisher
from processors.ticks import start_ticks
from processors.watchdog import start_watchdog
from schemas.codec import Codec
from schemas.topics import PERSON_INPUTS, KeySpace, Topic, registry

_NAMES = tuple(topic.name for topic in PERSON_INPUTS)


def person_changelogs(partitions: int) -> tuple[Topic, ...]:
    """The topics behind the person stage's tables."""
    return changelog_topics(PERSON_APP, TABLES, KeySpace.PERSON, partitions)


def person_topics(partitions: int) -> tuple[Topic, ...]:
    """Every topic the person stage reads or writes, for `processors.app.require_topics`."""
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

    ``publisher`` is called once, on the worker's event loop. It must put a key where `processors.partitions` says.
    """
    app = base_app(PERSON_APP, config)
    parts = Parts(
        tables=PersonTables(app, codec),
        acks=OrderedAcks(config.in_flight, config.window, fail),
        fence=fence_of(app, config),
        policy=policy,
        codec=codec,
        publisher=cache(publisher),
        clock=clock,
        partitions=config.partitions,
        decide=decide,
    )
    _read(app, PersonStage(parts), fail)
    start_ticks(app, _NAMES, config.tick_s, PersonWakes(parts).tick, fail)
    start_watchdog(app, _NAMES, config.stuck_s, fail)
    return app


def _read(app: faust.App, stage: PersonStage, fail: FailStop) -> None:
    async def person(stream: Any) -> None:
        try:
            async for event in stream.noack().events():
                await stage.accept(event)
        except Exception as error:  # noqa: BLE001  Faust would restart the agent and skip the event
            fail("the person stage's agent failed", error)

    app.agent(app.topic(*_NAMES, key_serializer="raw", value_serializer="raw"), name="person")(person)
