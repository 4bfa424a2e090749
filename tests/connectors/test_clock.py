"""Clocks."""

from __future__ import annotations

import time
from datetime import UTC, timedelta

from connectors.clock import ManualClock, SystemClock


def test_the_systems_wall_clock_is_aware_and_its_other_clock_never_runs_back() -> None:
    clock = SystemClock()
    first = clock.elapsed()

    assert clock.now().tzinfo is UTC
    assert clock.now().microsecond % 1000 == 0
    assert clock.elapsed() >= first


def test_time_spent_suspended_counts_where_the_system_counts_it() -> None:
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert abs(SystemClock().elapsed() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60


def test_a_manual_clock_moves_both_its_hands_or_the_wall_alone() -> None:
    clock = ManualClock()
    start = clock.now()
    clock.advance(timedelta(seconds=3))
    clock.set_wall(start)

    assert (clock.now(), clock.elapsed()) == (start, 3.0)
