"""The dispatch queues of the owned partitions: filled from the tables, and rebuilt after each rebalance."""

from __future__ import annotations

from dataclasses import dataclass

from processors.core.sender.dispatch_queue import DispatchQueue
from processors.sender.dependencies import SenderDeps
from processors.streaming.kafka_message import KafkaMessage

UNKNOWN_SENDER_RATE = 1.0
"""Segments per second of a sender that this release's settings do not name: the slowest that any number type has."""


@dataclass(frozen=True, slots=True)
class OwnedPartition:
    """The dispatch queue of one owned partition, and the consumer-group generation the queue was built in."""

    generation: int | None
    queue: DispatchQueue


class PartitionQueues:
    """One dispatch queue per owned partition. A queue's content is always in the tables as well."""

    def __init__(self, deps: SenderDeps) -> None:
        self._tables = deps.tables
        self._clock = deps.ports.clock
        self._policy = deps.ports.policy
        self._owned: dict[int, OwnedPartition] = {}
        self.draining = False
        """Whether a rebalance or the worker's end has begun: nothing more is started out of the queues."""

    def queue_of(self, message: KafkaMessage) -> DispatchQueue:
        """The queue of a message's partition. The first message of a new generation gets a new one, and ends draining.

        Raises:
            DecodeError: A table value cannot be read.
        """
        owned = self._owned.get(message.partition)
        if owned is None or owned.generation != message.generation_id:
            owned = OwnedPartition(message.generation_id, self._build(message.partition))
            self._owned[message.partition] = owned
            self.draining = False
        return owned.queue

    def clear(self) -> None:
        """Forget every queue; their content stays in the tables."""
        self._owned.clear()

    def _build(self, partition: int) -> DispatchQueue:
        queue, now = DispatchQueue(self._ceiling, self._policy.codes), self._clock.now()
        for limit in self._tables.limits(partition):
            queue.restore(limit, now)
        for command in self._tables.queued_commands(partition):
            queue.enqueue(command, now)
        return queue

    def _ceiling(self, sender_id: str) -> float:
        sender = self._policy.senders.get(sender_id)
        return sender.mps if sender is not None else UNKNOWN_SENDER_RATE
