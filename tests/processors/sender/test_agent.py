"""Commands become steps: decoded, one after the other per attempt, acknowledged when answered."""

from __future__ import annotations

from schemas.enums import Outcome
from schemas.records import DeadLetter
from tests.builders import PERSON, dispatch, policy
from tests.processors.sender.harness import CODEC, Worker, World


async def test_a_command_is_called_once_answered_and_then_acknowledged(world: World, worker: Worker) -> None:
    (offset,) = await worker.give(dispatch())

    (answer,) = world.answers()
    assert answer.outcome is Outcome.ACCEPTED
    assert answer.called_at == world.clock.now()
    assert answer.intent_until == world.clock.now() + policy().timing.intent_life
    assert worker.acked == [offset]
    assert world.publisher.on("sms-attempts")[0].key == PERSON.encode()


async def test_the_same_command_twice_in_flight_is_called_once(world: World, worker: Worker) -> None:
    await worker.give(dispatch(), dispatch())

    assert sorted(outcome for _, outcome, _ in world.outcomes()) == ["accepted", "unknown"]
    assert len(worker.acked) == 2


async def test_nothing_is_acknowledged_when_the_answer_cannot_be_published(world: World, worker: Worker) -> None:
    world.publisher.available = False

    await worker.give(dispatch())

    assert worker.acked == []
    assert len(worker.failures) == 1


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
