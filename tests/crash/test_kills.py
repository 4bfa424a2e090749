"""The promise in one run: whatever is killed in the middle, nothing is sent twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.crash.load import Upstream, batch
from tests.crash.system import System, wait_for
from tests.crash.verdicts import Court

PERSONS, EACH = 100, 4


@pytest.mark.kafka
def test_whoever_is_killed_in_the_middle_nothing_is_sent_twice_nothing_is_lost_nobody_is_texted_after_stop(
    tmp_path: Path,
) -> None:
    """Both workers, the ingester, the sink and Kafka itself are killed while answers and callbacks get lost."""
    with System(tmp_path, rate=8) as system:
        what = batch("kills", "kills", 0, PERSONS, EACH, stops=5)
        court, upstream = Court(system), Upstream(system)
        system.misbehave()
        upstream.first_half(what)
        after(system, 30, lambda: fell(system, "person"))
        after(system, 60, lambda: fell(system, "sender"))
        upstream.stops(what)
        upstream.second_half(what)
        after(system, 100, lambda: fell(system, "ingester"))
        after(system, 140, lambda: fell(system, "sink"))
        after(system, 180, system.bounce_kafka)
        verdict = court.judge(what, meanwhile=system.watch)

        assert not verdict.problems, court.explain(what, verdict)
        assert not verdict.waiting
        assert verdict.accepted > 300
        assert verdict.suppressed >= 5
        assert len(verdict.settled_s) > 10
        assert verdict.settled_in_time == len(verdict.settled_s)
        clickhouse_agrees(system)
        court.close()


def after(system: System, accepted: int, act: Callable[[], None]) -> None:
    """Do something once the simulator has accepted so many messages: in the middle, then."""
    assert wait_for(lambda: system.accepted() >= accepted), system.fallen()
    act()


def fell(system: System, name: str) -> None:
    """Kill a role and start its successor, as the supervisor does: when the predecessor is dead."""
    system.kill(name)
    assert system.restart(name), system.fallen()


def clickhouse_agrees(system: System) -> None:
    """ClickHouse comes to hold as many sent messages, and the same bill, as the simulator's ledger."""
    rows = system.ledger()
    bill = -sum((Decimal(row["price"]) for row in rows if row["price"] is not None), Decimal(0))

    def alike() -> bool:
        system.watch()
        found = system.stored()
        return bool(found["sent"] == len(rows) and Decimal(found["billed"]["USD"]) == bill and found["open"] == 0)

    assert wait_for(alike, 20), f"ledger: {len(rows)} messages for {bill}; ClickHouse: {system.stored()}"
