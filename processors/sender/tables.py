"""The sender stage's tables: what waits, which attempts may have been called, and each sender's limit.

An attempt's intent and its place in the queue are two entries. So whoever writes a queue entry late (a worker that
slept and has lost the partition) can never cover an intent with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from processors.core.sender.dispatch_queue import QueueKey
from processors.streaming import durable_table
from processors.streaming.durable_table import DurableTable
from schemas.codec import Codec
from schemas.records import Dispatch
from schemas.states import SenderAttempt, ThrottleState

ATTEMPTS = "attempts"
THROTTLE = "throttle"
TABLES = {ATTEMPTS: SenderAttempt, THROTTLE: ThrottleState}

INTENTS, AFTER_INTENTS = b"i|", b"i}"
QUEUE, AFTER_QUEUE = b"q|", b"q}"
_FIRST, _LAST = b"", b"\xff" * 8


class TableStore(Protocol):
    """A table of raw bytes; `write` belongs to the partition of the event it is called in."""

    async def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Return when the changes are durable."""
        ...

    def read(self, partition: int, key: bytes) -> bytes | None:
        """What is durable under a key."""
        ...

    def scan(self, partition: int, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Entries from ``start`` up to but without ``stop``, in the order of their keys."""
        ...


class DurableStore:
    """A Faust table as a store."""

    def __init__(self, table: DurableTable) -> None:
        self._table = table

    async def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        await durable_table.write(self._table, changes)

    def read(self, partition: int, key: bytes) -> bytes | None:
        return durable_table.read_key(self._table, partition, key)

    def scan(self, partition: int, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        return durable_table.scan_keys(self._table, partition, start, stop)


class SenderTables:
    """Both tables, as values. What is awaited here is durable when it returns."""

    def __init__(self, attempts: TableStore, throttle: TableStore, codec: Codec) -> None:
        self._attempts = attempts
        self._throttle = throttle
        self._codec = codec

    def intent(self, partition: int, attempt_id: str) -> SenderAttempt | None:
        """The attempt's intent: if there is one, it is never called again."""
        value = self._attempts.read(partition, INTENTS + attempt_id.encode())
        return None if value is None else self._codec.decode(SenderAttempt, value)

    async def mark(self, intent: SenderAttempt) -> None:
        """Save an intent."""
        await self._attempts.write({INTENTS + intent.attempt_id.encode(): self._codec.encode(intent)})

    def command(self, partition: int, key: QueueKey) -> Dispatch | None:
        """A queued command, None if it was answered."""
        value = self._attempts.read(partition, _queue_key(key))
        return None if value is None else self._codec.decode(SenderAttempt, value).command

    def queued(self, partition: int) -> list[Dispatch]:
        """Every queued command of a partition, oldest first."""
        entries = self._attempts.scan(partition, QUEUE, AFTER_QUEUE)
        commands = (self._codec.decode(SenderAttempt, value).command for _, value in entries)
        return sorted((command for command in commands if command is not None), key=lambda known: known.issued_at)

    async def queue(self, entry: SenderAttempt) -> None:
        """Save a command that waits."""
        await self._attempts.write({_queue_key((entry.attempt_id, entry.action)): self._codec.encode(entry)})

    async def unqueue(self, key: QueueKey) -> None:
        """Forget a command that is answered."""
        await self._attempts.write({_queue_key(key): None})

    def limits(self, partition: int) -> list[ThrottleState]:
        """Every sender's limit as it was saved last."""
        return [self._codec.decode(ThrottleState, value) for _, value in self._throttle.scan(partition, _FIRST, _LAST)]

    async def save_limits(self, limits: Sequence[ThrottleState]) -> None:
        """Save these senders' limits."""
        await self._throttle.write({limit.sender.encode(): self._codec.encode(limit) for limit in limits})

    def intents(self, partition: int, after: str, count: int) -> list[SenderAttempt]:
        """Up to ``count`` intents in the order of their attempts' ids, from behind that id."""
        start = INTENTS + after.encode() + b"\x00" if after else INTENTS
        entries = islice(self._attempts.scan(partition, start, AFTER_INTENTS), count)
        return [self._codec.decode(SenderAttempt, value) for _, value in entries]

    async def forget(self, intents: Sequence[SenderAttempt]) -> None:
        """Delete intents that are past what they were kept for."""
        await self._attempts.write({INTENTS + intent.attempt_id.encode(): None for intent in intents})


def _queue_key(key: QueueKey) -> bytes:
    return b"%s%s|%s" % (QUEUE, key[0].encode(), key[1].value.encode())
