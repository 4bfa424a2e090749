"""Messages that finished long ago are deleted, and those that never finish get a wake-up."""

from __future__ import annotations

from datetime import timedelta

from processors.person.housekeeping import EVERY, REST, ROWS
from schemas.states import Phase
from tests.builders import NOW, policy
from tests.processors.person.harness import World
from tests.processors.person.test_state_cache import state

TIMING = policy().timing
LONG_AGO = NOW - TIMING.message_window - timedelta(seconds=1)


async def test_each_message_gets_what_its_age_asks_for(world: World) -> None:
    overdue = NOW - TIMING.status_within
    world.messages = [
        state(message_id="accepted", phase=Phase.ACCEPTED, updated_at=overdue),
        state(message_id="old", phase=Phase.FINISHED, updated_at=LONG_AGO),
        state(message_id="waits", phase=Phase.WAITING, wake_at=NOW, updated_at=LONG_AGO),
        state(message_id="young", phase=Phase.FINISHED, updated_at=NOW),
    ]

    await world.tick()

    assert world.happened == [("scheduled", "accepted", NOW), ("deleted", "old")]


async def test_the_table_is_read_slowly_and_again_after_a_rest(world: World) -> None:
    count = ROWS + 1
    world.messages = [
        state(message_id=f"m{number:03}", phase=Phase.FINISHED, updated_at=LONG_AGO) for number in range(count)
    ]

    async def deleted_after(*waits: timedelta) -> int:
        for wait in waits:
            world.clock.advance(wait)
            await world.tick()
        return len(world.happened)

    nothing = timedelta()
    assert await deleted_after(nothing, nothing) == ROWS
    assert await deleted_after(EVERY) == count
    assert await deleted_after(EVERY, EVERY) == count  # the end, and the rest after it
    assert await deleted_after(REST) == count + ROWS
