"""The Kafka record behind an event, as far as smsflow reads it. ``faust.types.Message`` satisfies this protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from faust.types import TP, EventT

KafkaEvent = EventT[bytes | None]
"""An event of a topic with raw keys and values."""
Headers = Mapping[str, bytes] | Iterable[tuple[str, bytes]] | None
"""The record's headers: aiokafka gives pairs, Faust's in-memory channels a mapping."""


class KafkaMessage(Protocol):
    """One record of Kafka with its place. Faust calls it a message; it is not an SMS message."""

    @property
    def topic(self) -> str:
        """The topic's name."""
        ...

    @property
    def partition(self) -> int:
        """The partition's number."""
        ...

    @property
    def tp(self) -> TP:
        """The topic's name and the partition's number, as a key."""
        ...

    @property
    def offset(self) -> int:
        """The record's offset; ``NO_OFFSET`` for a tick, which no record stands behind."""
        ...

    @property
    def key(self) -> bytes | None:
        """The record's key."""
        ...

    @property
    def value(self) -> bytes | None:
        """The record's value; None is a tombstone."""
        ...

    @property
    def headers(self) -> Headers:
        """The record's headers."""
        ...

    @property
    def generation_id(self) -> int | None:
        """The consumer group's generation in which the record was fetched."""
        ...
