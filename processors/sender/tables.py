"""The sender stage's tables: which attempts may have been called, which wait, and each sender's limit.

========  =====================  =============================
attempts  intent|attempt_id      SenderAttempt, without command
attempts  queue|attempt_id       SenderAttempt, with command
throttle  sender                 ThrottleState
========  =====================  =============================

An attempt's intent and its place in the queue are two entries: a worker that was paused, and writes a queue entry after
it lost the partition, can never overwrite an intent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from processors.streaming import durable_table
from processors.streaming.durable_table import DurableTable
from schemas.codec import Codec
from schemas.records import Dispatch
from schemas.states import SenderAttempt, ThrottleState

ATTEMPTS = "attempts"
THROTTLE = "throttle"
TABLES: Mapping[str, type] = {ATTEMPTS: SenderAttempt, THROTTLE: ThrottleState}

INTENTS, AFTER_INTENTS = b"intent|", b"intent}"  # } is the character after |
QUEUE, AFTER_QUEUE = b"queue|", b"queue}"
_FIRST, _LAST = b"", b"\xff" * 8


class TableStore(Protocol):
    """A table of raw bytes."""

    async def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Write to the partition of the current event. Returns when the changes are durable.

        Args:
            changes: Key → new value, None to delete.
        """
        ...

    def read(self, partition: int, key: bytes) -> bytes | None:
        """The durable value of a key."""
        ...

    def scan(self, partition: int, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Entries from ``start`` up to but without ``stop``, in the order of their keys."""
        ...


class DurableStore:
    """A Faust table as a store."""

    def __init__(self, table: DurableTable) -> None:
        self._table = table

    async def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """See ``TableStore``.

        Raises:
            ChangelogWriteFailed: The broker may not have all of it.
        """
        await durable_table.write(self._table, changes)

    def read(self, partition: int, key: bytes) -> bytes | None:
        """See ``TableStore``."""
        return durable_table.read_key(self._table, partition, key)

    def scan(self, partition: int, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See ``TableStore``."""
        return durable_table.scan_keys(self._table, partition, start, stop)


class SenderTables:
    """Both tables, as values.

    What a method awaits is durable when it returns, else ``ChangelogWriteFailed`` is raised. Every method that reads
    raises ``DecodeError`` for a value that cannot be read.
    """

    def __init__(self, attempts: TableStore, throttle: TableStore, codec: Codec) -> None:
        self._attempts = attempts
        self._throttle = throttle
        self._codec = codec

    def intent(self, partition: int, attempt_id: str) -> SenderAttempt | None:
        """An attempt's intent. An attempt that has one is never called again."""
        value = self._attempts.read(partition, _intent_key(attempt_id))
        return None if value is None else self._codec.decode(SenderAttempt, value)

    async def save_intent(self, intent: SenderAttempt) -> None:
        """Save an intent."""
        await self._attempts.write({_intent_key(intent.attempt_id): self._codec.encode(intent)})

    def scan_intents(self, partition: int, after: str, count: int) -> list[SenderAttempt]:
        """Up to ``count`` intents in the order of attempt ids, beginning after the attempt id ``after``."""
        start = _intent_key(after) + b"\x00" if after else INTENTS
        entries = islice(self._attempts.scan(partition, start, AFTER_INTENTS), count)
        return [self._codec.decode(SenderAttempt, value) for _, value in entries]

    async def delete_intents(self, intents: Sequence[SenderAttempt]) -> None:
        """Delete intents that are not needed any more."""
        await self._attempts.write({_intent_key(intent.attempt_id): None for intent in intents})

    def queued_command(self, partition: int, attempt_id: str) -> Dispatch | None:
        """A queued command. None if its result is published."""
        value = self._attempts.read(partition, _queue_key(attempt_id))
        return None if value is None else self._codec.decode(SenderAttempt, value).command

    def queued_commands(self, partition: int) -> list[Dispatch]:
        """Every queued command of a partition, in the order in which they were issued."""
        entries = self._attempts.scan(partition, QUEUE, AFTER_QUEUE)
        commands = (self._codec.decode(SenderAttempt, value).command for _, value in entries)
        return sorted((one for one in commands if one is not None), key=lambda command: command.issued_at)

    async def save_queued(self, entry: SenderAttempt) -> None:
        """Save a command that waits."""
        await self._attempts.write({_queue_key(entry.attempt_id): self._codec.encode(entry)})

    async def delete_queued(self, attempt_id: str) -> None:
        """Delete a command whose result is published."""
        await self._attempts.write({_queue_key(attempt_id): None})

    def limits(self, partition: int) -> list[ThrottleState]:
        """Every sender's limit as it was last saved."""
        return [self._codec.decode(ThrottleState, value) for _, value in self._throttle.scan(partition, _FIRST, _LAST)]

    async def save_limits(self, limits: Sequence[ThrottleState]) -> None:
        """Save the limits of these senders."""
        await self._throttle.write({limit.sender.encode(): self._codec.encode(limit) for limit in limits})


def _intent_key(attempt_id: str) -> bytes:
    return INTENTS + attempt_id.encode()


def _queue_key(attempt_id: str) -> bytes:
    return QUEUE + attempt_id.encode()
