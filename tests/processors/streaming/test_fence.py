from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from processors.streaming import fence as fences
from processors.streaming.faust_patches import heartbeat
from processors.streaming.fence import Fence

OURS, FOREIGN = TP("sms-requests", 0), TP("sms-requests", 1)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock; and no wait of the fence takes real time."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(heartbeat, "now", lambda: now.s)
    monkeypatch.setattr(fences, "POLL_S", 0)
    return now


@pytest.fixture
def member() -> SimpleNamespace:
    return SimpleNamespace(generation=5, last_good_heartbeat=100.0)


@pytest.fixture
def fence(member: SimpleNamespace) -> Fence:
    consumer = SimpleNamespace(group_member=lambda: member, is_assigned=lambda tp: tp == OURS)
    app: Any = SimpleNamespace(consumer=consumer, consumer_generation_id=5)
    return Fence(app, session_s=6, margin_s=2)


def message(tp: TP = OURS, generation: int = 5) -> Any:
    return SimpleNamespace(tp=tp, generation_id=generation)


def test_a_partition_is_ours_until_the_session_less_the_margin_is_over(fence: Fence, now: SimpleNamespace) -> None:
    now.s = 103.9
    assert fence.owns(message())
    now.s = 104.0
    assert not fence.owns(message())


def test_a_foreign_partition_and_an_old_generation_are_not_ours(fence: Fence, now: SimpleNamespace) -> None:
    assert not fence.owns(message(FOREIGN))
    assert not fence.owns(message(generation=4))


async def test_before_the_consumer_has_started_nothing_is_ours(now: SimpleNamespace) -> None:
    consumer = SimpleNamespace(group_member=lambda: None, is_assigned=lambda _: False)
    app: Any = SimpleNamespace(consumer=consumer, consumer_generation_id=5)
    fence = Fence(app, session_s=6, margin_s=2)

    assert not fence.owns(message())
    assert not await fence.wait_until_owned(message())
    assert not await fence.wait_until_member()


async def test_a_late_heartbeat_is_waited_for(fence: Fence, now: SimpleNamespace, member: SimpleNamespace) -> None:
    """Nothing would read the record again if it were dropped."""
    now.s = 105.0
    waiting = asyncio.ensure_future(fence.wait_until_owned(message()))
    await asyncio.sleep(0)
    assert not waiting.done()

    member.last_good_heartbeat = 104.5

    assert await waiting


async def test_the_wait_ends_when_the_generation_is_gone(
    fence: Fence, now: SimpleNamespace, member: SimpleNamespace
) -> None:
    now.s, member.generation = 105.0, -1
    assert not await fence.wait_until_owned(message())


async def test_a_worker_whose_last_heartbeat_is_fresh_is_a_member(fence: Fence, now: SimpleNamespace) -> None:
    now.s = 103.9
    assert await fence.wait_until_member()


async def test_membership_is_waited_for_until_a_heartbeat_is_answered(
    fence: Fence, now: SimpleNamespace, member: SimpleNamespace
) -> None:
    now.s = 105.0
    waiting = asyncio.ensure_future(fence.wait_until_member())
    await asyncio.sleep(0)
    assert not waiting.done()

    member.last_good_heartbeat = 104.5

    assert await waiting


async def test_a_worker_that_was_put_out_of_the_group_is_no_member_however_fresh_its_heartbeat(
    fence: Fence, member: SimpleNamespace
) -> None:
    member.generation = -1
    assert not await fence.wait_until_member()
    member.generation = 6
    assert not await fence.wait_until_member()
