"""The dead letter of a record: whole where it fits, by its origin where it does not, and always small enough."""

from datetime import UTC, datetime

import pytest

from schemas.codec import Codec, EncodedRecord
from schemas.dead_letters import MAX_DETAIL_CHARS, MAX_KEY_BYTES, MAX_VALUE_BYTES, NOWHERE, dead_letter
from schemas.reasons import DeadLetterReason
from schemas.records import DeadLetter
from schemas.topics import DEAD_LETTERS, SMS_CALLBACKS, SMS_REQUESTS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CODEC = Codec()
BROKER_LIMIT = 1_048_588
"""``message.max.bytes`` of a broker where nothing else is configured."""


def build(value: bytes | None, *, key: bytes | None = b"+12125550123", detail: str = "starts with 7b") -> EncodedRecord:
    return dead_letter(
        CODEC,
        SMS_REQUESTS.name,
        partition=3,
        offset=17,
        key=key,
        value=value,
        reason=DeadLetterReason.NOT_AVRO,
        detail=detail,
        stage="person",
        occurred_at=NOW,
    )


def read(record: EncodedRecord) -> DeadLetter:
    return CODEC.decode(DeadLetter, record.value)


def test_it_goes_whole_to_the_topics_own_dead_letter_topic_under_its_own_key() -> None:
    record = build(b"{}")
    assert (record.topic, record.key) == ("sms-requests-dlq", b"+12125550123")
    assert record.topic in {topic.name for topic in DEAD_LETTERS}
    assert read(record) == DeadLetter(
        topic="sms-requests",
        partition=3,
        offset=17,
        key=b"+12125550123",
        value=b"{}",
        reason="not_avro",
        detail="starts with 7b",
        stage="person",
        occurred_at=NOW,
    )


def test_what_was_on_no_topic_has_no_place() -> None:
    record = dead_letter(
        CODEC,
        SMS_CALLBACKS.name,
        value=b"a=b",
        reason=DeadLetterReason.MALFORMED_WEBHOOK,
        detail="no MessageSid",
        stage="ingester",
        occurred_at=NOW,
    )
    letter = read(record)
    assert (record.key, letter.key, letter.partition, letter.offset) == (None, None, NOWHERE, NOWHERE)


def test_a_tombstone_stays_a_tombstone() -> None:
    assert read(build(None)).value is None


@pytest.mark.parametrize(("size", "whole"), [(MAX_VALUE_BYTES, True), (MAX_VALUE_BYTES + 1, False)])
def test_a_value_that_would_not_fit_stays_at_its_origin(size: int, *, whole: bool) -> None:
    letter = read(build(bytes(size)))
    assert (letter.value is not None) is whole
    assert letter.detail == "starts with 7b" + ("" if whole else f" (its {size} bytes are only at its origin)")


def test_a_key_that_would_not_fit_stays_at_its_origin() -> None:
    size = MAX_KEY_BYTES + 1
    record = build(b"{}", key=bytes(size))
    assert (record.key, read(record).key) == (None, None)
    assert f"its key of {size} bytes" in read(record).detail


def test_it_always_fits_the_brokers_limit() -> None:
    largest = build(bytes(MAX_VALUE_BYTES), key=bytes(MAX_KEY_BYTES), detail="\N{GRINNING FACE}" * 10**6)
    assert len(read(largest).detail) == MAX_DETAIL_CHARS
    assert len(largest.value or b"") + len(largest.key or b"") < BROKER_LIMIT - 10_000


def test_a_detail_that_is_no_text_is_kept_readable() -> None:
    assert read(build(b"", detail="broken \ud800")).detail == "broken ?"
