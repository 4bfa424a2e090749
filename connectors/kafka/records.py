"""A record as it was read, in types of our own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from confluent_kafka import Message

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class ConsumedRecord:
    """One Kafka record; ``timestamp`` is UTC, the producer's unless the topic says otherwise."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: datetime
    headers: tuple[tuple[str, bytes], ...] = ()


def consumed_record(message: Message) -> ConsumedRecord:
    """The record in a librdkafka message."""
    return ConsumedRecord(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        key=message.key(),
        value=message.value(),
        timestamp=_EPOCH + message.timestamp()[1] * _MILLISECOND,  # integer arithmetic: exact
        headers=tuple((name, value or b"") for name, value in message.headers() or ()),
    )
