"""The last check asks for everything anew, and knows when it permitted the call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connectors.clock import ManualClock
from connectors.memory import MemoryRevocations
from processors.core.sender.decide import new_intent
from processors.sender.final_check import FinalCheck
from tests.builders import NOW, PERSON, dispatch, seconds
from tests.processors.sender.harness import MemoryFence

LIFE = seconds(10)


class Checked:
    """A check over doubles that a test changes."""

    def __init__(self, **changes: Any) -> None:
        self.clock = ManualClock(NOW)
        self.fence = MemoryFence()
        self.revocations = MemoryRevocations()
        command = dispatch(**changes)
        message: Any = SimpleNamespace()  # the fence's double does not read it
        self.check = FinalCheck(
            command,
            new_intent(command, NOW, LIFE),
            message,
            fence=self.fence,
            revocations=self.revocations,
            clock=self.clock,
        )


@pytest.fixture
async def checked() -> Checked:
    return Checked()


async def test_a_call_that_nothing_speaks_against_is_permitted_and_dated(checked: Checked) -> None:
    checked.clock.advance(seconds(1))

    assert checked.check() is None
    assert checked.check.called_at == NOW + seconds(1)


async def test_a_call_is_refused_once_its_intent_has_ended(checked: Checked) -> None:
    checked.clock.advance(LIFE)

    assert (checked.check(), checked.check.called_at) == ("intent_expired", None)


async def test_what_is_too_late_is_not_called() -> None:
    checked = Checked(deadline=NOW)

    assert (checked.check(), checked.check.called_at) == ("expired", None)


async def test_a_call_is_refused_when_the_partition_is_lost(checked: Checked) -> None:
    checked.fence.lose()

    assert checked.check() == "partition_lost"


async def test_a_call_is_refused_after_a_stop_and_while_stops_are_not_known(checked: Checked) -> None:
    checked.revocations.revoke(PERSON)
    assert checked.check() == "opted_out"

    checked.revocations.stale_because = "lost touch"
    assert checked.check() == "revocations_stale"


async def test_a_check_that_refuses_takes_back_the_time_of_one_that_permitted(checked: Checked) -> None:
    assert checked.check() is None
    checked.revocations.revoke(PERSON)

    assert (checked.check(), checked.check.called_at) == ("opted_out", None)
