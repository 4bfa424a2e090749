"""Where each record goes, without a broker."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from processors.person.agent import REPARTITIONED
from schemas.codec import EncodedRecord
from schemas.reasons import DeadLetterReason
from schemas.topics import SMS_REQUESTS
from tests.processors.person.harness import CODEC, HOME, KEY, REQUEST, World


async def test_a_record_in_a_foreign_partition_is_published_again_under_its_persons_key(world: World) -> None:
    value = CODEC.encode(REQUEST)
    await world.handle(value, partition=HOME ^ 1, headers={"trace": b"1"})

    assert world.happened == [
        EncodedRecord(SMS_REQUESTS.name, KEY, value, (("trace", b"1"), (REPARTITIONED, b"1"))),
        "acked",
    ]


async def test_a_record_that_comes_back_wrong_again_goes_to_the_dead_letter(world: World) -> None:
    """Otherwise a wrong number of partitions would send it round and round."""
    await world.handle(CODEC.encode(REQUEST), partition=HOME ^ 1, headers={REPARTITIONED: b"1"})

    assert world.dead_letter().reason == "misrouted"


async def test_an_unreadable_state_does_not_stop_the_stream(world: World) -> None:
    world.unreadable = True
    await world.handle(CODEC.encode(REQUEST))

    assert world.dead_letter().reason == "unreadable_state"


@pytest.mark.parametrize("person", ["+1212\0", "__faust"])
async def test_a_person_that_cannot_be_a_key_goes_to_the_dead_letter(world: World, person: str) -> None:
    """Faust keeps an offset under a key of its own in every table."""
    await world.handle(CODEC.encode(replace(REQUEST, to=person)))

    assert world.dead_letter().reason == "bad_person"


async def test_a_decision_that_fails_is_the_records_fault(world: World) -> None:
    world.undecidable = True
    await world.handle(CODEC.encode(REQUEST))

    letter = world.dead_letter()
    assert letter.reason == DeadLetterReason.HANDLER_ERROR
    assert "ZeroDivisionError('boom')" in letter.detail
