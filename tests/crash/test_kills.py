"""The promise in one run: whatever is killed in the middle, nothing is sent twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.crash.batch_checker import BatchChecker
from tests.crash.load import LoadProducer, make_batch
from tests.crash.system import System, wait_for

PERSONS, EACH = 100, 4


@pytest.mark.kafka
def test_whoever_is_killed_in_the_middle_nothing_is_sent_twice_nothing_is_lost_nobody_is_texted_after_stop(
    tmp_path: Path,
) -> None:
    """Both workers, the ingester, the sink and Kafka itself are killed while answers and callbacks get lost."""
    with System(tmp_path, rate=8) as system:
        what = make_batch("kills", "kills", 0, PERSONS, EACH, stops=5)
        checker, load = BatchChecker(system), LoadProducer(system)
        system.arm_faults()
        load.publish_first_half(what)
        when_accepted(system, 30, lambda: kill_and_restart(system, "person"))
        when_accepted(system, 60, lambda: kill_and_restart(system, "sender"))
        load.publish_stops(what)
        load.publish_second_half(what)
        when_accepted(system, 100, lambda: kill_and_restart(system, "ingester"))
        when_accepted(system, 140, lambda: kill_and_restart(system, "sink"))
        when_accepted(system, 180, system.bounce_kafka)
        result = checker.wait_and_check(what, meanwhile=system.restart_ended)

        assert not result.problems, checker.explain(what, result)
        assert not result.waiting
        assert result.accepted > 300
        assert result.suppressed >= 5
        assert len(result.settled_s) > 10
        assert result.settled_in_time == len(result.settled_s)
        clickhouse_agrees(system)
        checker.close()


def when_accepted(system: System, accepted: int, act: Callable[[], None]) -> None:
    """Do something once the simulator has accepted so many messages: in the middle, then."""
    assert wait_for(lambda: system.accepted() >= accepted), system.exit_reports()
    act()


def kill_and_restart(system: System, name: str) -> None:
    """Kill a role and start its successor, as the supervisor does: when the predecessor is dead."""
    system.kill(name)
    assert system.restart(name), system.exit_reports()


def clickhouse_agrees(system: System) -> None:
    """ClickHouse comes to hold as many sent messages, and the same bill, as the simulator's ledger."""
    rows = system.ledger()
    bill = -sum((Decimal(row["price"]) for row in rows if row["price"] is not None), Decimal(0))

    def alike() -> bool:
        system.restart_ended()
        found = system.stored()
        return bool(found["sent"] == len(rows) and Decimal(found["billed"]["USD"]) == bill and found["open"] == 0)

    assert wait_for(alike, 20), f"ledger: {len(rows)} messages for {bill}; ClickHouse: {system.stored()}"
