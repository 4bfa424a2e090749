"""Tables whose writes are durable when they return, and never ahead of their changelog.

Upstream: ``faust/tables/base.py`` and ``faust/stores/rocksdb.py`` write RocksDB first and only log a changelog record
    that was not delivered. The disk, which outlives the worker, then knows what no other worker will ever see.
Here: a write goes to the changelog, the broker's acknowledgement is awaited, and only then RocksDB has it, record by
    record in the order of their offsets. The offset up to which RocksDB is complete moves on only while our records
    follow each other without a gap. A gap means that another worker writes to our changelog; an offset left behind
    makes the next recovery read everything from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, Protocol, cast

import faust
from faust.stores import rocksdb
from faust.tables import TableManager
from faust.types import TP

from processors.streaming.faust_patches.produce_fence import NotOwner
from processors.streaming.ordered_acks import PartitionLost
from processors.streaming.transport import producer_of

logger = logging.getLogger(__name__)

Changes = Mapping[bytes, bytes | None]
"""Key → its new value; None deletes."""
ROCKSDB_OPTIONS = {
    "block_cache_size": 16 << 20,  # Faust's default is 2 GiB per partition
    "write_buffer_size": 8 << 20,
    "max_write_buffer_number": 2,
    "target_file_size_base": 16 << 20,
    "max_open_files": 64,
}
GAP_SEEN = -2
"""In place of the last offset after a gap: no record's offset follows it."""


class ChangelogWriteFailed(Exception):
    """A change may be missing in the changelog: nothing that follows from it may happen, the worker must stop."""


class _Database(Protocol):
    """RocksDB, as far as it is used here."""

    def get(self, key: bytes) -> Any: ...
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...
    def items(self, *, from_key: bytes) -> Iterator[tuple[bytes, bytes]]: ...


class DurableTable(faust.Table[bytes, bytes]):
    """A table of raw bytes on RocksDB. Written by ``write`` only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {
            "key_type": bytes,
            "value_type": bytes,
            "options": {**ROCKSDB_OPTIONS, **(kwargs.get("options") or {})},
        }
        super().__init__(*args, **kwargs)
        self._last_offsets: dict[int, tuple[int, int]] = {}
        self._topic = ""

    def send_changelog(self, *_: Any, **__: Any) -> NoReturn:
        """Refused.

        Raises:
            TypeError: ``table[key] = value`` is not durable when it returns.
        """
        raise TypeError(f"write table {self.name!r} with processors.streaming.durable_table.write")

    def database(self, partition: int) -> _Database:
        """The RocksDB of one partition."""
        return cast(_Database, self._rocksdb._db_for_partition(partition))

    @property
    def offset_key(self) -> bytes:
        """The key under which Faust keeps the offset up to which RocksDB is complete, among the table's own keys."""
        return self._rocksdb.offset_key

    @property
    def _rocksdb(self) -> rocksdb.Store:
        return cast(rocksdb.Store, self.data)

    async def _send(self, partition: int, key: bytes, value: bytes | None, pending: _PendingWrite) -> None:
        generation = self.app.consumer_generation_id
        self._topic = self._topic or self.changelog_topic_name
        sent = await producer_of(self.app).append(self._topic, partition, key, value)
        sent.add_done_callback(partial(self._acknowledged, partition, generation, key, value, pending))

    def _acknowledged(
        self,
        partition: int,
        generation: int,
        key: bytes,
        value: bytes | None,
        pending: _PendingWrite,
        sent: asyncio.Future[Any],
    ) -> None:
        # aiokafka completes a batch's futures in the order of their offsets
        try:
            offset = sent.result().offset
            if generation == self.app.consumer_generation_id:
                self._apply(partition, generation, key, value, offset)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  the writer gets it, as ChangelogWriteFailed
            pending.fail(error)
        else:
            pending.one_done()

    def _apply(self, partition: int, generation: int, key: bytes, value: bytes | None, offset: int) -> None:
        database = self.database(partition)
        if value is None:
            database.delete(key)
        else:
            database.put(key, value)
        if self._is_next(partition, generation, offset):
            self._last_offsets[partition] = (generation, offset)
            database.put(self.offset_key, b"%d" % offset)

    def _is_next(self, partition: int, generation: int, offset: int) -> bool:
        """Whether no foreign record stands between this offset and the last one of ours, or the recovery's end."""
        known, last = self._last_offsets.get(partition, (generation - 1, 0))
        if known != generation:
            highwaters = cast(TableManager, self.app.tables).recovery.active_highwaters
            last = highwaters[TP(self.changelog_topic_name, partition)]
        if offset == last + 1:
            return True
        if last != GAP_SEEN:
            logger.warning("%s/%d: offset %d follows %d", self.changelog_topic_name, partition, offset, last)
            self._last_offsets[partition] = (generation, GAP_SEEN)
        return False


class _PendingWrite:
    """How many records of one write the broker has not acknowledged yet."""

    __slots__ = ("_future", "_left")

    def __init__(self, records: int) -> None:
        self._left = records
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def one_done(self) -> None:
        self._left -= 1
        if not self._left and not self._future.done():
            self._future.set_result(None)

    def fail(self, error: BaseException) -> None:
        if not self._future.done():
            lost = isinstance(error, NotOwner)
            self._future.set_exception(PartitionLost(repr(error)) if lost else ChangelogWriteFailed(repr(error)))

    async def wait(self) -> None:
        await self._future


async def write(table: DurableTable, changes: Changes) -> None:
    """Write these keys, and return when the broker has every changelog record.

    To be called inside an event's context: the event's partition is written.

    Raises:
        PartitionLost: The partition is not ours any more.
        ChangelogWriteFailed: A record may be missing for any other reason.
        TypeError: Called outside of an event.
    """
    await write_all([(table, changes)])


async def write_all(writes: Sequence[tuple[DurableTable, Changes]]) -> None:
    """As ``write``, for several tables at once: one wait for all of them.

    Raises:
        PartitionLost: The partition is not ours any more.
        ChangelogWriteFailed: A record may be missing for any other reason.
        TypeError: Called outside of an event.
    """
    event = faust.current_event()
    if event is None:
        raise TypeError("a table is written inside an event's context")
    records = sum(len(changes) for _, changes in writes)
    if not records:
        return
    pending = _PendingWrite(records)
    for table, changes in writes:
        for key, value in changes.items():
            await _send(table, event.message.partition, key, value, pending)
    await pending.wait()


async def _send(table: DurableTable, partition: int, key: bytes, value: bytes | None, pending: _PendingWrite) -> None:
    try:
        await table._send(partition, key, value, pending)
    except Exception as error:
        raise ChangelogWriteFailed(f"{table.name}: {error!r}") from error


def read_key(table: DurableTable, partition: int, key: bytes) -> bytes | None:
    """The key's value in this partition, or None."""
    value = table.database(partition).get(key)
    return None if value is None else bytes(value)


def scan_keys(table: DurableTable, partition: int, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values from ``start`` up to but without ``stop``, in the order of the keys' bytes."""
    for key, value in table.database(partition).items(from_key=start):
        if key >= stop:
            return
        if key != table.offset_key:
            yield bytes(key), bytes(value)
