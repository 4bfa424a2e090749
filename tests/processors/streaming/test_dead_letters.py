"""A record that a stage cannot handle is published with its place, and an error is named with where it came from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from connectors.clock import ManualClock
from connectors.memory import MemoryPublisher
from processors.streaming.dead_letters import DeadLetters, error_summary
from schemas.codec import Codec
from schemas.reasons import DeadLetterReason
from schemas.records import DeadLetter
from schemas.topics import SMS_REQUESTS
from tests.builders import NOW

CODEC = Codec()


async def test_a_dead_letter_has_the_records_place_and_the_stages_name() -> None:
    publisher = MemoryPublisher()
    message = SimpleNamespace(topic=SMS_REQUESTS.name, partition=3, offset=7, key=b"k", value=b"garbage")
    event: Any = SimpleNamespace(message=message)

    letters = DeadLetters("person", publisher, CODEC, ManualClock(NOW))
    await letters.publish(DeadLetterReason.NOT_AVRO, "starts with 67", event)

    (record,) = publisher.records
    assert (record.topic, record.key) == (SMS_REQUESTS.dead_letter, b"k")
    assert CODEC.decode(DeadLetter, record.value) == DeadLetter(
        topic=SMS_REQUESTS.name,
        partition=3,
        offset=7,
        key=b"k",
        value=b"garbage",
        reason=DeadLetterReason.NOT_AVRO,
        detail="starts with 67",
        stage="person",
        occurred_at=NOW,
    )


def test_an_error_is_summed_up_on_one_line_from_the_inside_out() -> None:
    def inner() -> None:
        raise ZeroDivisionError("boom")

    try:
        inner()
    except ZeroDivisionError as error:
        summary = error_summary(error)

    assert summary.startswith("ZeroDivisionError('boom') in inner:")
    assert " < test_an_error_is_summed_up" in summary
    assert "\n" not in summary
