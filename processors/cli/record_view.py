"""One record of a topic, as ``trace`` and ``topics read`` print it for people or for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct

from connectors.kafka.records import ConsumedRecord
from processors.core.person.attempt_ids import split_attempt_id
from schemas import topics
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.json_values import json_value
from schemas.records import DeadLetter


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """A record with its place and time. ``message_id`` is None where the record names only Twilio's SID."""

    at: datetime
    topic: str
    partition: int
    offset: int
    record: Any
    message_id: str | None

    def json(self) -> str:
        """The whole record as one JSON object; bytes in hexadecimal."""
        fields = {
            "at": self.at,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "kind": type(self.record).__name__,
            "record": self.record,
        }
        return json.dumps(fields, default=json_value)

    def line(self) -> str:
        """One line for people: time, place, type, and the fields of ``_SHOWN_FIELDS`` that the record has."""
        values = ((name, getattr(self.record, name, None)) for name in _SHOWN_FIELDS)
        shown = ", ".join(f"{name}={value}" for name, value in values if value is not None)
        place = f"{self.topic}/{self.partition}/{self.offset}"
        return f"{self.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"  {place:32}  {type(self.record).__name__:14}  {shown}"


_SHOWN_FIELDS = (
    "topic", "partition", "offset", "attempt", "to", "sender", "action", "outcome", "status", "reason", "code",
    "error_code", "sid", "message_sid", "segments", "price", "currency", "until", "detail",
)  # fmt: skip


def trace_event(codec: Codec, consumed: ConsumedRecord) -> TraceEvent:
    """One record of a registered topic.

    Raises:
        DecodeError: The value cannot be decoded.
    """
    record: Any = codec.decode(topics.BY_NAME[consumed.topic].record, consumed.value)
    return TraceEvent(
        consumed.timestamp, consumed.topic, consumed.partition, consumed.offset, record, _message_of(codec, record)
    )


class Unreadable(Struct, frozen=True):
    """Bytes that are not a record of their topic, and the decoder's reason."""

    reason: str
    detail: str
    key: bytes | None
    value: bytes | None


def trace_event_or_bytes(codec: Codec, consumed: ConsumedRecord) -> TraceEvent:
    """As ``trace_event``; a value that cannot be decoded becomes an ``Unreadable``."""
    try:
        return trace_event(codec, consumed)
    except DecodeError as error:
        found = Unreadable(error.reason, error.detail, consumed.key, consumed.value)
        return TraceEvent(consumed.timestamp, consumed.topic, consumed.partition, consumed.offset, found, None)


def _message_of(codec: Codec, record: Any) -> str | None:
    if isinstance(record, DeadLetter):
        return _message_of_dead_letter(codec, record)
    if hasattr(record, "message_id"):
        return str(record.message_id)
    named = split_attempt_id(getattr(record, "attempt_id", None) or "")
    return named[0] if named else None


def _message_of_dead_letter(codec: Codec, record: DeadLetter) -> str:
    """The message that a dead letter is about, or "" where its bytes cannot be decoded."""
    try:
        return _message_of(codec, codec.decode(topics.BY_NAME[record.topic].record, record.value)) or ""
    except (DecodeError, KeyError):
        return ""
