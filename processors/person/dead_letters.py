"""Where a record goes that the person stage cannot handle: whole, with its origin and the reason."""

from __future__ import annotations

import traceback
from datetime import datetime
from typing import Any

from schemas.codec import Codec, EncodedRecord
from schemas.records import DeadLetter
from schemas.topics import BY_NAME

STAGE = "person"
WHOLE_UP_TO = 900_000
"""Bytes of a value that a dead letter repeats: more would not fit the broker's default limit of a record."""


def dead_letter(codec: Codec, message: Any, reason: str, detail: str, now: datetime) -> EncodedRecord:
    """The dead letter of a Kafka message, on its topic's own dead-letter topic and under its own key."""
    value = message.value
    if value is not None and len(value) > WHOLE_UP_TO:
        detail, value = f"{detail} (its {len(value)} bytes are only at its origin)", None
    letter = DeadLetter(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=value,
        reason=reason,
        detail=detail,
        stage=STAGE,
        occurred_at=now,
    )
    topic = BY_NAME[message.topic].dead_letter
    assert topic is not None
    return EncodedRecord(topic, message.key, codec.encode(letter))


def error_summary(error: Exception) -> str:
    """An exception and the innermost places it came through, on one line."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(
        f"{frame.name}:{frame.lineno} {frame.filename.rpartition('/')[2]}" for frame in reversed(frames)
    )
    return f"{error!r} in {places}"
