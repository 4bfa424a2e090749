"""The ``attempts`` table has no more than it must have."""

from __future__ import annotations

from datetime import timedelta

from tests.builders import dispatch, seconds
from tests.processors.sender.harness import Worker, World, named


async def test_intents_are_deleted_only_past_their_time(world: World, worker: Worker) -> None:
    await worker.give(named("old", deadline=world.clock.now() + seconds(60)))
    await worker.tick(timedelta(days=7, hours=23).total_seconds())
    await worker.tick(2)
    assert b"intent|old/1" in world.attempts.rows

    await worker.give(named("new", deadline=world.clock.now() + seconds(60)))
    for _ in range(6):
        await worker.tick(timedelta(hours=1).total_seconds())

    left = [key for key in world.attempts.rows if key.startswith(b"intent|") and b"warm" not in key]
    assert left == [b"intent|new/1"]


async def test_a_limit_is_saved_when_it_changed_and_at_most_once_a_second(world: World, worker: Worker) -> None:
    await worker.tick()
    before = world.throttle.writes
    await worker.give(dispatch())

    await worker.tick(0.5)
    assert world.throttle.writes == before
    await worker.tick(0.6)
    assert world.throttle.writes == before + 1
    await worker.tick(1.1)
    assert world.throttle.writes == before + 1
