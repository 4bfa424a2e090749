"""The send protocol on one command: an intent first, one call, one answer."""

from __future__ import annotations

import asyncio

import pytest

from schemas.enums import Action, Outcome
from tests.builders import NOW, PERSON, dispatch, policy, seconds
from tests.processors.sender.harness import Worker, World, named, settle, warm


async def test_the_intent_is_durable_before_the_call(world: World, worker: Worker) -> None:
    seen: list[bytes] = []

    async def look() -> None:
        seen.extend(world.attempts.rows)

    worker.sender._before_check = look
    await worker.give(dispatch())

    assert b"intent|m1/1" in seen


async def test_the_fast_path_writes_one_table_record_and_publishes_one_answer(world: World, worker: Worker) -> None:
    before = world.attempts.writes

    await worker.give(dispatch())

    assert world.attempts.writes - before == 1
    assert world.publisher.batches == 3  # two of them warmed the buckets


async def test_a_command_read_twice_is_called_once_and_then_unknown(world: World, worker: Worker) -> None:
    await worker.give(dispatch())
    await Worker(world).give(dispatch())

    assert [outcome for _, outcome, _ in world.outcomes()] == ["accepted", "unknown"]
    assert world.called() == ["m1/1"]


async def test_answers_without_a_call_and_look_ups_pause_no_sender(world: World, worker: Worker) -> None:
    commands = [named(f"m{number}") for number in range(5)]
    await worker.give(*commands)
    world.twilio.list_available = False

    successor = Worker(world)
    await successor.give(*commands, *[dispatch(action=Action.LOOK_UP) for _ in range(5)])
    await successor.give(named("new"))
    await successor.tick(1)

    assert {answer.reason for answer in world.answers()} == {None, "called_before", "list_unavailable"}
    assert world.called()[-1] == "new/1"


async def test_an_expired_command_is_answered_and_not_called(world: World, worker: Worker) -> None:
    await worker.give(dispatch(deadline=world.clock.now()))

    assert world.outcomes() == [("m1/1", "not_sent", "expired")]
    assert world.called() == []


async def test_a_person_who_said_stop_is_not_called_even_if_the_command_is_read_again_after_a_start(
    world: World, worker: Worker
) -> None:
    world.revocations.revoke(PERSON)
    await worker.give(dispatch())
    world.revocations.restore(PERSON)
    await Worker(world).give(dispatch())

    assert [answer.reason for answer in world.answers()] == ["opted_out", "called_before"]
    assert world.called() == []


async def test_a_stop_between_decision_and_call_is_caught_by_the_last_check(world: World, worker: Worker) -> None:
    async def stop() -> None:
        world.revocations.revoke(PERSON)

    worker.sender._before_check = stop
    await worker.give(dispatch())

    assert world.outcomes() == [("m1/1", "not_sent", "opted_out")]
    assert world.called() == []


async def test_an_intent_that_outlived_its_life_is_not_called(world: World, worker: Worker) -> None:
    async def sleep() -> None:
        world.clock.advance(policy().timing.intent_life)

    worker.sender._before_check = sleep
    await worker.give(dispatch())

    assert world.outcomes() == [("m1/1", "not_sent", "intent_expired")]


async def test_a_partition_lost_before_the_call_makes_it_unknown_and_not_called(world: World, worker: Worker) -> None:
    async def lose() -> None:
        world.fence.lose()

    worker.sender._before_check = lose
    await worker.give(dispatch())

    assert world.outcomes() == [("m1/1", "unknown", "partition_lost")]
    assert world.called() == []


async def test_a_partition_lost_before_the_intent_leaves_everything_to_the_new_owner(
    world: World, worker: Worker
) -> None:
    world.fence.lose()
    writes = world.attempts.writes

    await worker.give(dispatch())

    assert (worker.acked, world.answers(), world.attempts.writes) == ([], [], writes)


async def test_a_fence_that_closes_for_a_moment_only_delays(world: World, worker: Worker) -> None:
    world.fence.close()
    await worker.give(dispatch())
    assert world.called() == []

    world.fence.open()
    await settle()

    assert world.called() == ["m1/1"]


async def test_a_refused_account_is_logged_as_an_error(
    world: World, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    world.twilio.refuse_next(20003)

    await worker.give(dispatch())

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "is paused until" in caplog.text


async def test_a_lost_answer_is_unknown(world: World, worker: Worker) -> None:
    world.twilio.lose_next_answer()

    await worker.give(dispatch())

    assert world.outcomes() == [("m1/1", "unknown", "connection_lost")]
    assert world.answers()[0].intent_until is not None


async def test_a_look_up_finds_what_a_lost_answer_hid(world: World, worker: Worker) -> None:
    world.twilio.lose_next_answer()
    await worker.give(dispatch())
    look_up = dispatch(action=Action.LOOK_UP, called_after=NOW, called_before=world.clock.now() + seconds(10))

    (offset,) = await worker.give(look_up)

    assert worker.acked[-1] == offset
    found = world.answers()[1]
    assert (found.action, found.outcome, found.sid) == (Action.LOOK_UP, Outcome.ACCEPTED, world.twilio.accepted[0].sid)


async def test_a_look_up_of_an_attempt_that_waits_here_is_made_and_leaves_it_in_the_queue(
    world: World, worker: Worker
) -> None:
    """Its result was published and its worker died before it could leave the queue."""
    world.revocations.stale_because = "lost touch"
    await worker.give(dispatch(), dispatch(action=Action.LOOK_UP))

    assert [(answer.action, answer.outcome) for answer in world.answers()] == [(Action.LOOK_UP, Outcome.ABSENT)]
    assert b"queue|m1/1" in world.attempts.rows


async def test_a_sender_that_fails_in_our_own_code_leaves_an_unknown_and_does_not_stop_the_worker(
    world: World, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    async def break_down() -> None:
        raise RuntimeError("a bug")

    worker.sender._before_check = break_down
    await worker.give(dispatch())

    assert world.outcomes() == [("m1/1", "unknown", "client_error")]
    assert worker.failures == []
    assert "a bug" in caplog.text


async def test_no_more_calls_are_open_than_allowed(world: World) -> None:
    worker = Worker(world, calls=3)
    await warm(worker)
    opened, most = 0, 0
    gate = asyncio.Event()

    async def wait() -> None:
        nonlocal opened, most
        opened += 1
        most = max(most, opened)
        await gate.wait()
        opened -= 1

    worker.sender._before_check = wait
    await worker.give(*[named(f"m{number}") for number in range(10)])
    assert (opened, most) == (3, 3)
    gate.set()
    await settle(200)
    assert len(world.called()) == 10
    assert most == 3
