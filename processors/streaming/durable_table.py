"""Tables whose writes are durable when they return, and never ahead of their changelog.

Faust writes RocksDB first and logs a failed changelog send; then a kept disk holds what no other worker will ever
see. Here a write goes to the changelog, the broker's acknowledgement is awaited, and only then RocksDB has it, record
by record in the order of their offsets. The offset up to which RocksDB is complete moves on only while our records
stand gapless behind each other: a gap means that somebody else writes to our changelog, and leaving the offset behind
makes the next recovery read everything from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import faust
from faust.types import TP

from processors.streaming.faust_patches import produce_fence
from processors.streaming.faust_patches.produce_fence import NotOwner
from processors.streaming.ordered_acks import PartitionLost

logger = logging.getLogger(__name__)

Changes = Mapping[bytes, bytes | None]
ROCKSDB_OPTIONS = {
    "block_cache_size": 16 << 20,  # Faust's default is 2 GiB per partition
    "write_buffer_size": 8 << 20,
    "max_write_buffer_number": 2,
    "target_file_size_base": 16 << 20,
    "max_open_files": 64,
}


BROKEN = -2  # no record's offset follows it


class ChangelogWriteFailed(Exception):
    """A change may be missing in the changelog: nothing that follows from it may happen, the worker must stop."""


class DurableTable(faust.Table):  # type: ignore[misc]  # faust is untyped here
    """A table of raw bytes on RocksDB. Written by `write` only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {
            "key_type": bytes,
            "value_type": bytes,
            "options": {**ROCKSDB_OPTIONS, **(kwargs.get("options") or {})},
        }
        super().__init__(*args, **kwargs)
        self._tails: dict[int, tuple[int, int]] = {}
        self._topic = ""

    def send_changelog(self, *_: Any, **__: Any) -> Any:
        """Refused: ``table[key] = value`` is not durable when it returns."""
        raise TypeError(f"write table {self.name!r} with processors.streaming.durable_table.write")

    async def _send(self, partition: int, key: bytes, value: bytes | None, pending: _Pending) -> None:
        producer = self.app.producer._ensure_producer()  # Faust's own send costs four times as much per record
        if not produce_fence.is_watched(producer):
            produce_fence.watch(producer, self.app.smsflow_fence)
        generation = self.app.consumer_generation_id
        self._topic = self._topic or self.changelog_topic_name
        sent = await producer.send(self._topic, value, key=key, partition=partition)
        sent.add_done_callback(partial(self._acknowledged, partition, generation, key, value, pending))

    def _acknowledged(
        self, partition: int, generation: int, key: bytes, value: bytes | None, pending: _Pending, sent: Any
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
        db = self.data._db_for_partition(partition)
        if value is None:
            db.delete(key)
        else:
            db.put(key, value)
        if self._follows(partition, generation, offset):
            self._tails[partition] = (generation, offset)
            db.put(self.data.offset_key, b"%d" % offset)

    def _follows(self, partition: int, generation: int, offset: int) -> bool:
        known, tail = self._tails.get(partition, (generation - 1, 0))
        if known != generation:
            tail = self.app.tables.recovery.active_highwaters[TP(self.changelog_topic_name, partition)]
        if offset == tail + 1:
            return True
        if tail != BROKEN:
            logger.warning("%s/%d: offset %d follows %d", self.changelog_topic_name, partition, offset, tail)
            self._tails[partition] = (generation, BROKEN)
        return False


class _Pending:
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
    """Write (or, for None, delete) these keys; return when the broker has every changelog record.

    To be called inside an event's context: its partition is written. Raises PartitionLost if it is not ours any more,
    ChangelogWriteFailed if a record may be missing for any other reason, TypeError outside of an event.
    """
    await write_all([(table, changes)])


async def write_all(writes: Sequence[tuple[DurableTable, Changes]]) -> None:
    """As `write`, for several tables at once: one wait for all of them."""
    event = faust.current_event()
    if event is None:
        raise TypeError("a table is written inside an event's context")
    records = sum(len(changes) for _, changes in writes)
    if not records:
        return
    pending = _Pending(records)
    for table, changes in writes:
        for key, value in changes.items():
            await _send(table, event.message.partition, key, value, pending)
    await pending.wait()


async def _send(table: DurableTable, partition: int, key: bytes, value: bytes | None, pending: _Pending) -> None:
    try:
        await table._send(partition, key, value, pending)
    except Exception as error:
        raise ChangelogWriteFailed(f"{table.name}: {error!r}") from error


def read_key(table: DurableTable, partition: int, key: bytes) -> bytes | None:
    """The key's value in this partition, or None."""
    value = table.data._db_for_partition(partition).get(key)
    return None if value is None else bytes(value)


def scan_keys(table: DurableTable, partition: int, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys from ``start`` up to but without ``stop``, in the order of their bytes."""
    for key, value in table.data._db_for_partition(partition).items(from_key=start):
        if key >= stop:
            return
        if key != table.data.offset_key:
            yield bytes(key), bytes(value)
