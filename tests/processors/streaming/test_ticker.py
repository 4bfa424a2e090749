from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from processors.streaming.ordered_acks import PartitionLost
from processors.streaming.ticker import NO_OFFSET, _Ticks, start_ticks
from tests.processors.streaming.conftest import BuildApp

REQUESTS, INBOUND, FOREIGN = TP("sms-requests", 0), TP("sms-inbound", 0), TP("changelog", 0)


class App(SimpleNamespace):
    """As much of an app as ticks need."""

    def __init__(self) -> None:
        consumer = SimpleNamespace(assignment=lambda: {REQUESTS, INBOUND, FOREIGN})
        super().__init__(
            rebalancing=False, in_recovery=False, should_stop=False, consumer_generation_id=3, consumer=consumer
        )


def ticks(app: App, handler: Any, failures: list[Any]) -> _Ticks:
    topics = frozenset({"sms-requests", "sms-inbound"})
    return _Ticks(cast(Any, app), topics, handler, lambda _why, error: failures.append(error))


async def test_topics_of_one_key_space_are_ticked_once_a_partition() -> None:
    seen: list[Any] = []

    async def handle(event: Any) -> None:
        seen.append((event.message.partition, event.message.offset, event.message.generation_id))

    running = ticks(App(), handle, [])
    await running.start_due()
    await running.finish()

    assert seen == [(0, NO_OFFSET, 3)]


async def test_a_partitions_next_tick_waits_for_its_last_one() -> None:
    started, gate = [], asyncio.Event()

    async def handle(event: Any) -> None:
        started.append(event)
        await gate.wait()

    running = ticks(App(), handle, [])
    await running.start_due()
    await asyncio.sleep(0)
    await running.start_due()
    await asyncio.sleep(0)
    assert len(started) == 1

    gate.set()
    await running.finish()
    await running.start_due()
    await running.finish()

    assert len(started) == 2


@pytest.mark.parametrize("flag", ["rebalancing", "in_recovery", "should_stop"])
async def test_no_tick_starts_while_partitions_may_change_owners(flag: str) -> None:
    started: list[Any] = []

    async def handle(event: Any) -> None:
        started.append(event)

    app = App()
    setattr(app, flag, True)
    running = ticks(app, handle, [])
    await running.start_due()
    await running.finish()

    assert started == []


async def test_a_failing_handler_is_reported() -> None:
    failures: list[Any] = []

    async def handle(event: Any) -> None:
        raise LookupError("broken")

    running = ticks(App(), handle, failures)
    await running.start_due()
    await running.finish()

    assert [str(error) for error in failures] == ["broken"]


async def test_a_rebalance_waits_for_the_ticks_that_run(build_app: BuildApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust's signals must hold what is connected: nothing else refers to the ticks."""
    waited: list[Any] = []

    async def finish(self: _Ticks, *_: Any, **__: Any) -> None:
        waited.append(self)

    async def handle(event: Any) -> None: ...

    monkeypatch.setattr(_Ticks, "finish", finish)
    app = build_app()
    start_ticks(app, ["sms-requests"], 1.0, handle)
    gc.collect()

    await app.on_partitions_revoked.send({REQUESTS})

    assert len(waited) == 1


async def test_a_lost_partition_ends_its_tick_without_an_error() -> None:
    failures: list[Any] = []

    async def handle(event: Any) -> None:
        raise PartitionLost("sms-requests/0")

    running = ticks(App(), handle, failures)
    await running.start_due()
    await running.finish()

    assert failures == []
