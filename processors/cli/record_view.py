"""One record of one of our topics, as `trace` and `topics read` show it to a person or a program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct

from connectors.kafka.records import ConsumedRecord as Read
from processors.core.person.outbox import split_attempt_id
from schemas import topics
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.json_values import json_value
from schemas.records import DeadLetter


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One thing that happened. ``message_id`` is None where the record names only Twilio's SID."""

    at: datetime
    topic: str
    partition: int
    offset: int
    record: Any
    message_id: str | None

    def json(self) -> str:
        """Everything, for machines: bytes in hexadecimal."""
        told = {
            "at": self.at,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "kind": type(self.record).__name__,
            "record": self.record,
        }
        return json.dumps(told, default=json_value)

    def line(self) -> str:
        """For people: when, where, and what stands out."""
        told = ", ".join(f"{name}={value}" for name in _TOLD if (value := getattr(self.record, name, None)) is not None)
        place = f"{self.topic}/{self.partition}/{self.offset}"
        return f"{self.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"  {place:32}  {type(self.record).__name__:14}  {told}"


_TOLD = (
    "topic", "partition", "offset", "attempt", "to", "sender", "action", "outcome", "status", "reason", "code",
    "error_code", "sid", "message_sid", "segments", "price", "currency", "until", "detail",
)  # fmt: skip


def trace_event(codec: Codec, read: Read) -> TraceEvent:
    """One record of a registered topic. Raises DecodeError."""
    record: Any = codec.decode(topics.BY_NAME[read.topic].record, read.value)
    return TraceEvent(read.timestamp, read.topic, read.partition, read.offset, record, _message_of(codec, record))


class Unreadable(Struct, frozen=True):
    """Bytes that are no record of their topic, and why."""

    reason: str
    detail: str
    key: bytes | None
    value: bytes | None


def trace_event_or_bytes(codec: Codec, read: Read) -> TraceEvent:
    """As `step_of`, for whoever wants to see what cannot be read, too."""
    try:
        return trace_event(codec, read)
    except DecodeError as error:
        found = Unreadable(error.reason, error.detail, read.key, read.value)
        return TraceEvent(read.timestamp, read.topic, read.partition, read.offset, found, None)


def _message_of(codec: Codec, record: Any) -> str | None:
    if isinstance(record, DeadLetter):
        return _dead_lettered(codec, record)
    if hasattr(record, "message_id"):
        return str(record.message_id)
    named = split_attempt_id(getattr(record, "attempt_id", None) or "")
    return named[0] if named else None


def _dead_lettered(codec: Codec, letter: DeadLetter) -> str:
    """The message a dead letter is about, or nothing where its bytes cannot be read."""
    try:
        return _message_of(codec, codec.decode(topics.BY_NAME[letter.topic].record, letter.value)) or ""
    except (DecodeError, KeyError):
        return ""
