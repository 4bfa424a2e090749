"""Workers come, go, die and sleep in the middle: each attempt is called once, by the owner, on a living intent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from processors.streaming.app import SENDER_APP
from schemas.topics import SMS_DISPATCH_NORMAL
from tests.crash.calls import Pause, bad_calls, instance_of
from tests.crash.load import Upstream, batch
from tests.crash.owners import Owners
from tests.crash.system import System, wait_for
from tests.crash.test_kills import after, fell
from tests.crash.verdicts import Court

PERSONS, EACH = 60, 4


@pytest.mark.kafka
def test_a_worker_that_slept_through_the_loss_of_its_partitions_calls_nobody_when_it_wakes(tmp_path: Path) -> None:
    """Nor does it write to a table. Then others die and leave; all the while answers and callbacks get lost."""
    with System(tmp_path, rate=5, workers=2) as system:
        what = batch("sleep", "sleep", 0, PERSONS, EACH, stops=5)
        court, upstream = Court(system), Upstream(system)
        owners = Owners(system.kafka.bootstrap, SENDER_APP, SMS_DISPATCH_NORMAL.name)
        assert wait_for(lambda: len(set(owners.now().owners.values())) == 2), owners.generations
        system.misbehave()
        upstream.first_half(what)
        after(system, 20, lambda: system.freeze("sender-1"))
        since = datetime.now(UTC)
        system.freeze("person-1")
        upstream.stops(what)
        upstream.second_half(what)
        assert wait_for(lambda: owners.now().members == {instance_of("sender-2")}), owners.generations
        pause = Pause("sender-1", since, datetime.now(UTC))
        system.thaw("sender-1")
        system.thaw("person-1")
        assert wait_for(lambda: len(set(owners.now().owners.values())) == 2), system.fallen()
        fell(system, "sender-2")
        system.leave("person-2")
        verdict = court.judge(what, meanwhile=system.watch)
        owners.read()
        bad = bad_calls(system.heard(), owners.owner, court.intents, [pause], court.checked_at())

        assert not verdict.problems, court.explain(what, verdict)
        assert not verdict.waiting
        assert not bad, "\n".join(map(str, bad))
        assert not court.late_writes, "\n".join(court.late_writes)
        assert verdict.accepted > 150
        assert {call.worker for call in system.heard()} == {"sender-1", "sender-2"}
        owners.close()
        court.close()
