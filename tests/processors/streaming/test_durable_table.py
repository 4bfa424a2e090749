"""When a table's own disk knows what its changelog knows."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from faust.stores.rocksdb import Store
from faust.streams import _current_event
from faust.tables import TableManager
from faust.types import TP

from processors.streaming import durable_table
from processors.streaming.app import AppConfig, StageApp
from processors.streaming.durable_table import ChangelogWriteFailed, DurableTable
from processors.streaming.faust_patches.produce_fence import NotOwner
from processors.streaming.ordered_acks import PartitionLost
from processors.streaming.ticker import local_event

PARTITION = 3


class Broker:
    """The producer: sends stay unanswered until a test answers them."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes | None, int, asyncio.Future[Any]]] = []

    async def append(self, topic: str, partition: int, key: bytes, value: bytes | None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent.append((key, value, partition, future))
        return future

    def answer(self, number: int, offset: int) -> None:
        self.sent[number][3].set_result(SimpleNamespace(offset=offset))


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def table(tmp_path: Path, broker: Broker) -> Iterator[DurableTable]:
    app = StageApp("test", AppConfig(broker="127.0.0.1:1", data_dir=tmp_path, instance_id="a"))
    app.producer, app.consumer_generation_id = cast(Any, broker), 1
    for folder in (app.conf.datadir, app.conf.appdir, app.conf.tabledir):
        Path(folder).mkdir(parents=True, exist_ok=True)
    table = app.durable_table("seen")
    cast(TableManager, app.tables).recovery.active_highwaters[TP("test-seen-changelog", PARTITION)] = 9
    yield table
    cast(Store, table.data)._dbs.clear()


@pytest.fixture
def event(table: DurableTable) -> Iterator[Any]:
    event = local_event(table.app, TP("source", PARTITION))
    token = _current_event.set(weakref.ref(event))
    yield event
    _current_event.reset(token)


async def started(table: DurableTable, changes: durable_table.Changes) -> asyncio.Task[None]:
    write = asyncio.ensure_future(durable_table.write(table, changes))
    await asyncio.sleep(0.001)
    return write


def persisted(table: DurableTable) -> int | None:
    return table.persisted_offset(TP("test-seen-changelog", PARTITION))


async def test_a_write_is_on_the_disk_when_the_broker_has_it_and_not_before(
    table: DurableTable, broker: Broker, event: Any
) -> None:
    write = await started(table, {b"k": b"v"})
    assert durable_table.read_key(table, PARTITION, b"k") is None
    assert not write.done()

    broker.answer(0, offset=10)
    await write

    assert durable_table.read_key(table, PARTITION, b"k") == b"v"
    assert persisted(table) == 10
    assert broker.sent[0][:3] == (b"k", b"v", PARTITION)


async def test_a_write_returns_when_all_of_its_records_are_acknowledged(
    table: DurableTable, broker: Broker, event: Any
) -> None:
    write = await started(table, {b"a": b"1", b"b": None})
    broker.answer(0, offset=10)
    await asyncio.sleep(0.001)
    assert not write.done()

    broker.answer(1, offset=11)
    await write


async def test_a_failed_changelog_record_is_an_error_and_not_on_the_disk(
    table: DurableTable, broker: Broker, event: Any
) -> None:
    write = await started(table, {b"k": b"v"})
    broker.sent[0][3].set_exception(TimeoutError())

    with pytest.raises(ChangelogWriteFailed, match="TimeoutError"):
        await write
    assert durable_table.read_key(table, PARTITION, b"k") is None


async def test_a_record_that_may_not_leave_any_more_is_a_lost_partition_and_not_on_the_disk(
    table: DurableTable, broker: Broker, event: Any
) -> None:
    write = await started(table, {b"k": b"v"})
    broker.sent[0][3].set_exception(NotOwner())

    with pytest.raises(PartitionLost):
        await write
    assert durable_table.read_key(table, PARTITION, b"k") is None


async def test_after_a_gap_the_next_recovery_starts_before_it(table: DurableTable, broker: Broker, event: Any) -> None:
    """Offsets between ours are somebody else's records, which this disk has not seen."""
    for number, offset in enumerate((10, 15, 16)):
        write = await started(table, {b"k%d" % number: b"v"})
        broker.answer(number, offset)
        await write

    assert persisted(table) == 10
    assert durable_table.read_key(table, PARTITION, b"k2") == b"v"


async def test_an_answer_after_a_rebalance_does_not_touch_the_disk(
    table: DurableTable, broker: Broker, event: Any
) -> None:
    write = await started(table, {b"k": b"v"})
    table.app.consumer_generation_id = 2

    broker.answer(0, offset=10)
    await write

    assert durable_table.read_key(table, PARTITION, b"k") is None
    assert persisted(table) is None


async def test_a_scan_is_in_the_order_of_keys_within_its_bounds(table: DurableTable) -> None:
    db = table.database(PARTITION)
    for key in (b"c", b"a", b"b", b"d"):
        db.put(key, key * 2)
    db.put(table.offset_key, b"7")

    assert list(durable_table.scan_keys(table, PARTITION, b"", b"d")) == [(b"a", b"aa"), (b"b", b"bb"), (b"c", b"cc")]
    assert list(durable_table.scan_keys(table, PARTITION, b"b", b"c")) == [(b"b", b"bb")]


async def test_outside_of_an_event_nothing_can_be_written(table: DurableTable) -> None:
    assert faust.current_event() is None
    with pytest.raises(TypeError, match="event's context"):
        await durable_table.write(table, {b"k": b"v"})
