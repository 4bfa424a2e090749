from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.types import TP

from processors.streaming import ownership as fences
from processors.streaming.ownership import Fence

OURS, FOREIGN = TP("sms-requests", 0), TP("sms-requests", 1)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock; and no wait of the fence takes real time."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(fences, "_now", lambda: now.s)
    monkeypatch.setattr(fences, "POLL_S", 0)
    return now


@pytest.fixture
def coordinator() -> SimpleNamespace:
    return SimpleNamespace(generation=5, last_good_heartbeat=100.0)


@pytest.fixture
def fence(coordinator: SimpleNamespace) -> Fence:
    subscription = SimpleNamespace(assignment=SimpleNamespace(tps=frozenset({OURS})))
    consumer = SimpleNamespace(_coordinator=coordinator, _subscription=SimpleNamespace(subscription=subscription))
    thread = SimpleNamespace(_consumer=consumer)
    app: Any = SimpleNamespace(consumer=SimpleNamespace(_thread=thread), consumer_generation_id=5)
    return Fence(app, session_s=6, reserve_s=2)


def message(tp: TP = OURS, generation: int = 5) -> Any:
    return SimpleNamespace(tp=tp, generation_id=generation)


def test_it_holds_until_the_session_less_the_reserve_is_over(fence: Fence, now: SimpleNamespace) -> None:
    now.s = 103.9
    assert fence.holds(message())
    now.s = 104.0
    assert not fence.holds(message())


def test_a_foreign_partition_and_an_old_generation_are_not_ours(fence: Fence, now: SimpleNamespace) -> None:
    assert not fence.holds(message(FOREIGN))
    assert not fence.holds(message(generation=4))


async def test_a_late_heartbeat_is_waited_for(fence: Fence, now: SimpleNamespace, coordinator: SimpleNamespace) -> None:
    """Nothing would read the record again if it were dropped."""
    now.s = 105.0
    waiting = asyncio.ensure_future(fence.regained(message()))
    await asyncio.sleep(0)
    assert not waiting.done()

    coordinator.last_good_heartbeat = 104.5

    assert await waiting


async def test_the_wait_ends_when_the_generation_is_gone(
    fence: Fence, now: SimpleNamespace, coordinator: SimpleNamespace
) -> None:
    now.s, coordinator.generation = 105.0, -1
    assert not await fence.regained(message())


async def test_in_good_standing_is_who_was_heard_of_lately(fence: Fence, now: SimpleNamespace) -> None:
    now.s = 103.9
    assert await fence.in_standing()


async def test_standing_is_waited_for_until_a_heartbeat_is_answered(
    fence: Fence, now: SimpleNamespace, coordinator: SimpleNamespace
) -> None:
    now.s = 105.0
    waiting = asyncio.ensure_future(fence.in_standing())
    await asyncio.sleep(0)
    assert not waiting.done()

    coordinator.last_good_heartbeat = 104.5

    assert await waiting


async def test_who_was_put_out_of_the_group_is_in_no_standing_however_fresh_its_heartbeat(
    fence: Fence, coordinator: SimpleNamespace
) -> None:
    coordinator.generation = -1
    assert not await fence.in_standing()
    coordinator.generation = 6
    assert not await fence.in_standing()


def test_installing_twice_stamps_once() -> None:
    fences.install()
    once = GroupCoordinator._do_heartbeat
    fences.install()
    assert GroupCoordinator._do_heartbeat is once
