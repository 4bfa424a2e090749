"""The double of ``Publisher`` and of ``Revocations``; the real ones' tests need a broker (tests/connectors/kafka)."""

from __future__ import annotations

import pytest

from connectors.kafka.errors import PublishError
from connectors.memory import MemoryPublisher, MemoryRevocations
from schemas.codec import EncodedRecord
from schemas.ports import Publisher, Revocations
from tests.builders import PERSON

RECORDS = [EncodedRecord("a", b"k", b"1"), EncodedRecord("b", b"k", b"2"), EncodedRecord("a", b"k", b"3")]


async def test_what_was_acknowledged_is_kept_in_order() -> None:
    memory = MemoryPublisher()
    publisher: Publisher = memory
    await publisher.publish(RECORDS)

    assert [record.value for record in memory.on("a")] == [b"1", b"3"]


async def test_what_was_not_acknowledged_is_not_kept() -> None:
    memory = MemoryPublisher()
    memory.available = False
    with pytest.raises(PublishError):
        await memory.publish(RECORDS)

    assert memory.records == []


def test_a_stop_to_everything_covers_every_program_and_a_stop_to_one_only_that() -> None:
    memory = MemoryRevocations()
    known: Revocations = memory
    memory.revoke(PERSON, "alerts")
    assert [known.revoked(PERSON, program) for program in ("alerts", "news", None)] == [True, False, False]

    memory.revoke(PERSON)
    memory.restore(PERSON, "alerts")
    assert [known.revoked(PERSON, program) for program in ("alerts", "news", None)] == [True, True, True]


def test_knowledge_that_is_stale_says_why() -> None:
    memory = MemoryRevocations()
    assert memory.stale() is None
    memory.stale_because = "never caught up"
    assert memory.stale() == "never caught up"
