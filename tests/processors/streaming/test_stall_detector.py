from __future__ import annotations

from faust.types import TP

from processors.streaming.stall_detector import Stall

ONE, TWO = TP("sms-requests", 0), TP("sms-requests", 1)


def test_lag_without_progress_is_a_stall_after_its_time() -> None:
    stall = Stall(10)
    assert stall.stalled({ONE: 5}, {ONE: 3}, 0) is None
    assert stall.stalled({ONE: 5}, {ONE: 9}, 9.9) is None
    assert stall.stalled({ONE: 5}, {ONE: 9}, 10) == ONE


def test_progress_starts_the_time_again() -> None:
    stall = Stall(10)
    stall.stalled({ONE: 5, TWO: 1}, {ONE: 3, TWO: 1}, 0)
    assert stall.stalled({ONE: 6, TWO: 2}, {ONE: 3, TWO: 1}, 10) is None


def test_a_partition_without_lag_is_never_stalled() -> None:
    stall = Stall(10)
    stall.stalled({ONE: 5}, {ONE: 0}, 0)
    assert stall.stalled({ONE: 5}, {ONE: 1}, 100) is None


def test_a_rebalance_is_no_stall() -> None:
    stall = Stall(10)
    stall.stalled({ONE: 5}, {ONE: 3}, 0)
    stall.reset()
    assert stall.stalled({ONE: 5}, {ONE: 3}, 100) is None
