from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from schemas.records import Action, DeadLetter, Dispatch, Lane, Outcome
from schemas.states import AttemptPhase, SenderAttempt
from tests.builders import NOW, NUMBER, PERSON, SERVICE, dispatch, policy, seconds
from tests.processors.sender.harness import CODEC, MemoryStore, Worker, World, settle


@pytest.fixture
async def world() -> World:
    return World()


async def warm(worker: Worker) -> None:
    """Let the senders' buckets fill: new ones are empty."""
    for sender in (NUMBER, SERVICE):
        await worker.give(dispatch(attempt_id=f"warm-{sender}/1", sender=sender, deadline=NOW))
        worker.stage.queue_runner._queues.queue_of(worker._event("t", None, 0).message).try_acquire(
            dispatch(sender=sender), NOW
        )
    worker.world.clock.advance(seconds(1))
    worker.world.publisher.records.clear()
    worker.acked.clear()


@pytest.fixture
async def worker(world: World) -> Worker:
    made = Worker(world)
    await warm(made)
    return made


def named(name: str, **changes: Any) -> Dispatch:
    return dispatch(attempt_id=f"{name}/1", message_id=name, **changes)


async def test_a_command_is_called_once_answered_and_then_acknowledged(world: World, worker: Worker) -> None:
    (offset,) = await worker.give(dispatch())

    (answer,) = world.answers()
    assert answer.outcome is Outcome.ACCEPTED
    assert answer.called_at == world.clock.now()
    assert answer.intent_until == world.clock.now() + policy().timing.intent_life
    assert worker.acked == [offset]
    assert world.publisher.on("sms-attempts")[0].key == PERSON.encode()


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


async def test_answers_without_a_call_and_look_ups_rest_no_sender(world: World, worker: Worker) -> None:
    commands = [named(f"m{number}") for number in range(5)]
    await worker.give(*commands)
    world.twilio.list_available = False

    successor = Worker(world)
    await successor.give(*commands, *[dispatch(action=Action.LOOK_UP) for _ in range(5)])
    await successor.give(named("new"))
    await successor.tick(1)

    assert {answer.reason for answer in world.answers()} == {None, "called_before", "list_unavailable"}
    assert world.called()[-1] == "new/1"


async def test_the_same_command_twice_in_flight_is_called_once(world: World, worker: Worker) -> None:
    await worker.give(dispatch(), dispatch())

    assert sorted(outcome for _, outcome, _ in world.outcomes()) == ["accepted", "unknown"]
    assert len(worker.acked) == 2


async def test_nothing_is_acknowledged_when_the_answer_cannot_be_published(world: World, worker: Worker) -> None:
    world.publisher.available = False

    await worker.give(dispatch())

    assert worker.acked == []
    assert len(worker.failures) == 1


async def test_an_expired_command_is_answered_and_not_called(world: World, worker: Worker) -> None:
    await worker.give(dispatch(deadline=world.clock.now()))

    assert world.outcomes() == [("m1/1", "not_sent", "expired")]
    assert world.called() == []


async def test_who_said_stop_is_not_called_even_if_the_command_is_read_again_after_a_start(
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


async def test_what_expires_in_the_queue_is_told_at_the_next_tick(world: World, worker: Worker) -> None:
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


async def test_too_many_requests_rests_the_sender_and_says_not_sent(world: World, worker: Worker) -> None:
    world.twilio.limit_next(retry_after_ms=5000)
    await worker.give(named("limited"))
    await worker.give(named("waits"))
    await worker.tick(4)

    assert world.outcomes() == [("limited/1", "not_sent", "rate_limited")]
    await worker.tick(2)
    assert world.called() == ["waits/1"]


async def test_a_rest_survives_a_restart(world: World, worker: Worker) -> None:
    world.twilio.refuse_next(20003)
    await worker.give(named("refused"))
    await worker.tick(2)

    successor = Worker(world)
    await successor.give(named("waits"))
    await successor.tick(60)
    assert world.called() == []
    await successor.tick(300)
    assert world.called() == ["waits/1"]


async def test_a_refused_account_is_told_to_the_operator(
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


async def test_garbage_goes_to_the_dead_letter_and_the_stream_goes_on(world: World, worker: Worker) -> None:
    garbage = await worker.give_bytes("sms-dispatch-bulk", b"\x01\x02garbage")
    (good,) = await worker.give(dispatch())

    (letter,) = [CODEC.decode(DeadLetter, record.value) for record in world.publisher.on("sms-dispatch-bulk-dlq")]
    assert (letter.topic, letter.offset, letter.reason, letter.value) == (
        "sms-dispatch-bulk",
        garbage,
        "not_avro",
        b"\x01\x02garbage",
    )
    assert sorted(worker.acked) == [garbage, good]
    assert world.called() == ["m1/1"]


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


async def test_intents_are_dropped_only_past_their_time(world: World, worker: Worker) -> None:
    await worker.give(named("old", deadline=world.clock.now() + seconds(60)))
    await worker.tick(timedelta(days=7, hours=23).total_seconds())
    await worker.tick(2)
    assert b"intent|old/1" in world.attempts.rows

    await worker.give(named("new", deadline=world.clock.now() + seconds(60)))
    for _ in range(6):
        await worker.tick(timedelta(hours=1).total_seconds())

    left = [key for key in world.attempts.rows if key.startswith(b"intent|") and b"warm" not in key]
    assert left == [b"intent|new/1"]


async def test_what_is_in_the_tables_reads_as_the_schemas_say(world: World, worker: Worker) -> None:
    await worker.give(dispatch())
    world.revocations.stale_because = "lost touch"
    await worker.give(named("waits"))

    intent = CODEC.decode(SenderAttempt, world.attempts.rows[b"intent|m1/1"])
    queued = CODEC.decode(SenderAttempt, world.attempts.rows[b"queue|waits/1"])
    assert (intent.phase, intent.command) == (AttemptPhase.INTENT, None)
    assert (queued.phase, queued.command) == (AttemptPhase.QUEUED, named("waits"))


def test_a_store_is_scanned_in_the_order_of_its_keys() -> None:
    store = MemoryStore()
    store.rows = {b"queue|2": b"", b"intent|1": b"", b"queue|1": b""}

    assert [key for key, _ in store.scan(0, b"queue|", b"queue}")] == [b"queue|1", b"queue|2"]
