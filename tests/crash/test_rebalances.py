"""Workers come, go, die and sleep in the middle: each attempt is called once, by the owner, on a living intent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from processors.streaming.app import SENDER_APP
from schemas.topics import SMS_DISPATCH_NORMAL
from tests.crash.batch_checker import BatchChecker
from tests.crash.calls import Pause, bad_calls, instance_of
from tests.crash.load import LoadProducer, make_batch
from tests.crash.owners import Owners
from tests.crash.system import System, wait_for
from tests.crash.test_kills import kill_and_restart, when_accepted

PERSONS, EACH = 60, 4


@pytest.mark.kafka
def test_a_worker_that_slept_through_the_loss_of_its_partitions_calls_nobody_when_it_wakes(tmp_path: Path) -> None:
    """Nor does it write to a table. Then others die and leave; all the while answers and callbacks get lost."""
    with System(tmp_path, rate=5, workers=2) as system:
        what = make_batch("sleep", "sleep", 0, PERSONS, EACH, stops=5)
        checker, load = BatchChecker(system), LoadProducer(system)
        owners = Owners(system.kafka.bootstrap, SENDER_APP, SMS_DISPATCH_NORMAL.name)
        assert wait_for(lambda: len(set(owners.now().owners.values())) == 2), owners.generations
        system.arm_faults()
        load.publish_first_half(what)
        when_accepted(system, 20, lambda: system.freeze("sender-1"))
        since = datetime.now(UTC)
        system.freeze("person-1")
        load.publish_stops(what)
        load.publish_second_half(what)
        assert wait_for(lambda: owners.now().members == {instance_of("sender-2")}), owners.generations
        pause = Pause("sender-1", since, datetime.now(UTC))
        system.thaw("sender-1")
        system.thaw("person-1")
        assert wait_for(lambda: len(set(owners.now().owners.values())) == 2), system.exit_reports()
        kill_and_restart(system, "sender-2")
        system.leave("person-2")
        result = checker.wait_and_check(what, meanwhile=system.restart_ended)
        owners.read()
        bad = bad_calls(system.recorded_calls(), owners.owner, checker.intents, [pause], checker.checked_at())

        assert not result.problems, checker.explain(what, result)
        assert not result.waiting
        assert not bad, "\n".join(map(str, bad))
        assert not checker.late_writes, "\n".join(checker.late_writes)
        assert result.accepted > 150
        assert {call.worker for call in system.recorded_calls()} == {"sender-1", "sender-2"}
        owners.close()
        checker.close()
