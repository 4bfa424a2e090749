"""What the streaming code uses of aiokafka's consumer, private parts included: aiokafka ships no types."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from faust.types import TP

from processors.streaming.faust_patches.heartbeat import HeartbeatMember


class FetchedRecord(Protocol):
    """One record as aiokafka fetched it."""

    @property
    def offset(self) -> int:
        """The record's offset."""
        ...


class PartitionState(Protocol):
    """Where the consumer reads one partition."""

    @property
    def has_valid_position(self) -> bool:
        """Whether ``position`` can be read."""
        ...

    @property
    def position(self) -> int:
        """The offset of the next record to fetch."""
        ...


class Assignment(Protocol):
    """The partitions of one generation."""

    @property
    def tps(self) -> Collection[TP]:
        """All of them."""
        ...

    def state_value(self, tp: TP) -> PartitionState:
        """The state of one of them."""
        ...


class Subscription(Protocol):
    """The topics that are read."""

    @property
    def assignment(self) -> Assignment | None:
        """The partitions; None until the group has given out some."""
        ...


class SubscriptionState(Protocol):
    """Holds the subscription."""

    @property
    def subscription(self) -> Subscription | None:
        """The subscription; None before the first."""
        ...


class KafkaClient(Protocol):
    """aiokafka's ``AIOKafkaConsumer``."""

    _coordinator: HeartbeatMember
    _subscription: SubscriptionState

    def seek(self, partition: TP, offset: int) -> None:
        """Read this partition from this offset on."""
        ...

    async def beginning_offsets(self, partitions: Iterable[TP]) -> Mapping[TP, int]:
        """The offset of the oldest record of each partition."""
        ...


def assignment_of(client: KafkaClient) -> Assignment | None:
    """The current assignment. ``AIOKafkaConsumer.assignment()`` builds a new set of all partitions at every call."""
    subscription = client._subscription.subscription
    return None if subscription is None else subscription.assignment
