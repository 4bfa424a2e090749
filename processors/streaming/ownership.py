"""Asking for ownership of a partition before a side effect; the ``Fence`` answers."""

from __future__ import annotations

from typing import Protocol

from processors.streaming.kafka_message import KafkaMessage
from processors.streaming.ordered_acks import PartitionLost


class Ownership(Protocol):
    """Whether this worker owns the partition of a message. ``processors.streaming.fence.Fence`` satisfies it."""

    def owns(self, message: KafkaMessage) -> bool:
        """Whether the message's partition is ours. Never awaits: check, then act."""
        ...

    async def wait_until_owned(self, message: KafkaMessage) -> bool:
        """Wait until the message's partition is known to be ours (True), or to be lost (False)."""
        ...


async def ensure_owned(ownership: Ownership, message: KafkaMessage) -> None:
    """Return while the message's partition is ours.

    Raises:
        PartitionLost: It is another worker's, which reads the message again.
    """
    if not ownership.owns(message) and not await ownership.wait_until_owned(message):
        raise PartitionLost(f"{message.topic}/{message.partition}")
