"""A consumed Kafka record as a type of this project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from confluent_kafka import Message

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_Headers = Sequence[tuple[str, bytes | None]]  # of a message that was read; its type allows what a producer may give


@dataclass(frozen=True, slots=True)
class ConsumedRecord:
    """One Kafka record. ``timestamp`` is in UTC: the producer's time, unless the topic is set to the broker's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: datetime
    headers: tuple[tuple[str, bytes], ...] = ()


def consumed_record(message: Message) -> ConsumedRecord:
    """The record in a librdkafka message that is no error: only an error has no topic, partition and offset."""
    return ConsumedRecord(
        topic=cast(str, message.topic()),
        partition=cast(int, message.partition()),
        offset=cast(int, message.offset()),
        key=message.key(),
        value=message.value(),
        timestamp=_EPOCH + message.timestamp()[1] * _MILLISECOND,  # integer arithmetic: exact
        headers=tuple((name, value or b"") for name, value in cast(_Headers, message.headers() or ())),
    )
