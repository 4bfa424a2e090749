"""The one builder of a dead letter: a record that cannot be handled, whole, with its origin and the reason."""

from __future__ import annotations

from datetime import datetime

from schemas.codec import Codec, EncodedRecord
from schemas.records import DeadLetter
from schemas.topics import BY_NAME

MAX_VALUE_BYTES = 900_000
"""Bytes of key and value that a dead letter repeats: more would not fit the broker's default limit of a record, 1 MiB.

Source: https://kafka.apache.org/documentation/#brokerconfigs_message.max.bytes
"""
MAX_KEY_BYTES = 1_000
"""Bytes of a key that a dead letter repeats. It does so twice: as its own key and as the field ``key``."""
MAX_DETAIL_CHARS = 2_000
"""Characters of ``detail``: it may quote what others wrote and has no bound of its own."""
NOWHERE = -1
"""Partition and offset of what was on no topic yet."""


def dead_letter(
    codec: Codec,
    topic: str,
    *,
    value: bytes | None,
    reason: str,
    detail: str,
    stage: str,
    occurred_at: datetime,
    key: bytes | None = None,
    partition: int = NOWHERE,
    offset: int = NOWHERE,
) -> EncodedRecord:
    """The dead letter of a record, for its topic's own dead-letter topic and under the record's own key.

    A value or key that is too large stays at its origin, and ``detail`` says so: a dead letter that Kafka refuses would
    stop the worker at that record for ever.

    Args:
        codec: Encodes the dead letter.
        topic: The record's topic. It has a dead-letter topic.
        value: The record's value; left out if larger than ``MAX_VALUE_BYTES``.
        reason: Why the record cannot be handled: a ``DeadLetterReason``.
        detail: The same in words, for a person to read; cut to ``MAX_DETAIL_CHARS``. Characters that UTF-8 cannot
            encode are replaced.
        stage: Who could not handle the record: ``person``, ``sender``, ``sink`` or ``ingester``.
        occurred_at: When that was, UTC.
        key: The record's key; left out if larger than ``MAX_KEY_BYTES``.
        partition: The record's partition.
        offset: The record's offset.
    """
    detail = detail[:MAX_DETAIL_CHARS].encode("utf-8", "replace").decode()
    if value is not None and len(value) > MAX_VALUE_BYTES:
        detail, value = f"{detail} (its {len(value)} bytes are only at its origin)", None
    if key is not None and len(key) > MAX_KEY_BYTES:
        detail, key = f"{detail} (its key of {len(key)} bytes is only at its origin)", None
    letter = DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        value=value,
        reason=reason,
        detail=detail,
        stage=stage,
        occurred_at=occurred_at,
    )
    target = BY_NAME[topic].dead_letter
    assert target is not None, f"{topic} has no dead-letter topic"
    return EncodedRecord(target, key, codec.encode(letter))
