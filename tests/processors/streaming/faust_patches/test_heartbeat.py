"""When aiokafka's last good heartbeat was sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import IllegalGenerationError

from processors.streaming.faust_patches import heartbeat


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock answers, one after the other."""
    heartbeat.install_heartbeat_stamp()
    times = [10.0, 20.0]
    monkeypatch.setattr(heartbeat, "now", lambda: times.pop(0))
    return times


def coordinator(error_code: int) -> Any:
    """aiokafka's coordinator, as far as a heartbeat needs it; the broker answers with this error, or 0 for none."""

    async def send(_request: Any) -> Any:
        return SimpleNamespace(error_code=error_code)

    return SimpleNamespace(
        group_id="group",
        generation=3,
        member_id="me",
        last_good_heartbeat=0.0,
        _send_req=send,
        reset_generation=lambda: None,
    )


async def test_a_good_heartbeat_counts_from_when_it_was_sent(times: list[float]) -> None:
    member = coordinator(0)

    assert await GroupCoordinator._do_heartbeat(member)
    assert member.last_good_heartbeat == 10.0


async def test_a_heartbeat_that_the_broker_refuses_does_not_count(times: list[float]) -> None:
    member = coordinator(IllegalGenerationError.errno)

    assert not await GroupCoordinator._do_heartbeat(member)
    assert member.last_good_heartbeat == 0.0


def test_a_coordinator_that_has_sent_none_has_the_oldest_heartbeat() -> None:
    heartbeat.install_heartbeat_stamp()
    assert GroupCoordinator.last_good_heartbeat == 0.0


def test_the_clock_runs_on() -> None:
    assert 0 < heartbeat.now() <= heartbeat.now()


def test_installing_twice_stamps_once() -> None:
    heartbeat.install_heartbeat_stamp()
    once = GroupCoordinator._do_heartbeat
    heartbeat.install_heartbeat_stamp()
    assert GroupCoordinator._do_heartbeat is once
