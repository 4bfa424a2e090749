"""How the baseline counts: what it prints must be what the ledger says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.builders import NOW
from tests.crash.checker import GRACE, SLOWEST

schedule = pytest.importorskip("benchmarks.naive.schedule", reason="the benchmarks stay in the checkout")

LATE = NOW + GRACE + SLOWEST


def test_one_seed_is_one_schedule() -> None:
    one, again, other = (schedule.Schedule.of(40, seed) for seed in (1, 1, 2))

    def asked(which: object) -> list[tuple[str, str | None]]:
        return [(request.to, request.body) for request in which.batch.requests]  # type: ignore[attr-defined]

    assert (asked(one), one.batch.texted_stop, one.kills) == (asked(again), again.batch.texted_stop, again.kills)
    assert one.batch.texted_stop != other.batch.texted_stop
    assert one.kills == (5, 10, 20, 30)


def test_every_message_is_counted_once() -> None:
    what = schedule.Schedule.of(40, 1)
    first, second, third, fourth = (request.message_id for request in what.batch.requests[:4])
    rest = what.batch.ids - {first, second, third, fourth}
    accepted = [
        (first, "+1", NOW),
        (first, "+1", NOW + timedelta(seconds=30)),  # twice
        (second, "+2", LATE),  # the moment up to which it may have been under way
        (third, "+2", LATE + timedelta(seconds=1)),  # after STOP
        ("of another run", "+2", LATE + timedelta(seconds=1)),
    ]
    suppressed, failed = frozenset(sorted(rest)[:6]), frozenset({first, *rest})
    counted = schedule.count("it", what, accepted, suppressed, failed, {"+2": NOW})

    assert (counted.requested, counted.accepted, counted.duplicates) == (40, 3, 1)
    assert (counted.suppressed, counted.failed, counted.lost, counted.after_stop) == (6, 30, 1, 1)
