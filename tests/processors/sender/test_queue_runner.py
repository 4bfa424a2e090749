"""What waits goes at its sender's pace, survives crashes, and ends at a rebalance."""

from __future__ import annotations

import asyncio

import pytest

from schemas.enums import Lane
from tests.builders import dispatch, seconds
from tests.processors.sender.harness import Worker, World, named, settle, warm


async def test_over_the_limit_commands_are_queued_durably_acknowledged_and_sent_at_the_limit(
    world: World, worker: Worker
) -> None:
    commands = [named(f"m{number:03}") for number in range(100)]  # the sender may send 75 a second

    await worker.give(*commands)
    assert len(world.called()) == 75
    assert len(worker.acked) == 100

    await worker.tick(0.2)
    assert len(world.called()) == 90
    await worker.tick(1)
    assert world.called() == [command.attempt_id for command in commands]


async def test_a_tick_sends_when_tokens_come_not_only_when_it_starts(world: World) -> None:
    worker = Worker(world, tick_s=0.25)
    await warm(worker)
    await worker.give(*[named(f"m{number:03}") for number in range(90)])
    began = world.clock.now()

    await worker.tick()

    assert len(world.called()) == 90
    assert world.clock.now() - began == pytest.approx(seconds(0.2), abs=seconds(0.01))


async def test_while_revocations_are_stale_commands_wait_in_the_table_and_go_later(
    world: World, worker: Worker
) -> None:
    world.revocations.stale_because = "lost touch"
    offsets = await worker.give(named("a"), named("b"))
    await worker.tick(1)
    assert world.called() == []
    assert worker.acked == offsets

    world.revocations.stale_because = None
    await worker.tick(1)

    assert sorted(world.called()) == ["a/1", "b/1"]
    assert [key for key in world.attempts.rows if key.startswith(b"queue|")] == []


async def test_the_queue_survives_a_crash(world: World, worker: Worker) -> None:
    await worker.give(*[named(f"m{number:03}") for number in range(80)])
    called = len(world.called())

    successor = Worker(world)
    await successor.tick()
    await successor.tick(1)

    assert called == 75
    assert sorted(world.called()) == sorted(f"m{number:03}/1" for number in range(80))


async def test_a_queued_command_read_again_is_only_acknowledged(world: World, worker: Worker) -> None:
    world.revocations.stale_because = "lost touch"
    await worker.give(dispatch())

    successor = Worker(world)
    (offset,) = await successor.give(dispatch())

    assert successor.acked == [offset]
    assert world.answers() == []


async def test_a_queued_command_whose_worker_died_in_the_call_is_unknown(world: World, worker: Worker) -> None:
    """Its Kafka record was acknowledged long ago: only the queue's entry still knows of it."""
    world.revocations.stale_because = "lost touch"
    await worker.give(dispatch())
    world.revocations.stale_because = None
    hang = asyncio.Event()
    worker.sender._before_check = lambda: hang.wait()  # type: ignore[assignment]  # a test's double
    await worker.tick()

    successor = Worker(world)
    await successor.tick()
    await successor.tick(1)

    assert world.outcomes() == [("m1/1", "unknown", "called_before")]
    assert [key for key in world.attempts.rows if key.startswith(b"queue|")] == []
    worker.stage.queue_runner._running.pop().cancel()
    await settle()


async def test_what_expires_in_the_queue_is_answered_at_the_next_tick(world: World, worker: Worker) -> None:
    world.revocations.stale_because = "lost touch"
    await worker.give(dispatch(deadline=world.clock.now() + seconds(5)))

    await worker.tick(4)
    assert world.answers() == []
    await worker.tick(1)
    assert world.outcomes() == [("m1/1", "not_sent", "expired")]


async def test_urgent_goes_first_when_tokens_come(world: World, worker: Worker) -> None:
    world.revocations.stale_because = "lost touch"
    await worker.give(named("bulk", lane=Lane.BULK), named("normal"), named("urgent", lane=Lane.URGENT))
    world.revocations.stale_because = None

    await worker.tick()

    assert world.called() == ["urgent/1", "normal/1", "bulk/1"]


async def test_too_many_requests_pauses_the_sender_and_is_answered_not_sent(world: World, worker: Worker) -> None:
    world.twilio.limit_next(retry_after_ms=5000)
    await worker.give(named("limited"))
    await worker.give(named("waits"))
    await worker.tick(4)

    assert world.outcomes() == [("limited/1", "not_sent", "rate_limited")]
    await worker.tick(2)
    assert world.called() == ["waits/1"]


async def test_a_pause_survives_a_restart(world: World, worker: Worker) -> None:
    world.twilio.refuse_next(20003)
    await worker.give(named("refused"))
    await worker.tick(2)

    successor = Worker(world)
    await successor.give(named("waits"))
    await successor.tick(60)
    assert world.called() == []
    await successor.tick(300)
    assert world.called() == ["waits/1"]


async def test_at_a_rebalance_what_was_called_is_answered_and_nothing_more_starts(world: World) -> None:
    worker = Worker(world, calls=1)
    await warm(worker)
    world.revocations.stale_because = "lost touch"
    await worker.give(named("a"), named("b"))
    world.revocations.stale_because = None
    gate = asyncio.Event()
    worker.sender._before_check = lambda: gate.wait()  # type: ignore[assignment]  # a test's double
    await worker.tick()
    leaving = asyncio.ensure_future(worker.stage.queue_runner.drain())
    await settle()
    assert not leaving.done()

    gate.set()
    await leaving

    assert world.outcomes()[0] == ("a/1", "accepted", None)
    await Worker(world).tick(1)
    assert sorted(world.called()) == ["a/1", "b/1"]
