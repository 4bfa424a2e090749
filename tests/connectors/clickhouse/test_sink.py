"""The sink stores every event, whatever fails, and commits only what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.engine import OneThread
from connectors.clickhouse.errors import Unavailable
from connectors.clickhouse.rows import Event
from connectors.clickhouse.sink import TOPICS, Sink, SinkOptions
from schemas.codec import Codec, EncodedRecord
from schemas.records import DeadLetter
from tests.connectors.clickhouse.fixtures import FakeRecord, after, failed, price, records, sent, status

CODEC = Codec()
STORY = (sent(), status("sent"), status("delivered"), price("0.0158"))


class BrokerAway(Exception):
    """What a reader or publisher raises while the broker is away."""


class FakeReader:
    """Delivers batches; what is not committed when it is asked again from the start comes again."""

    def __init__(self, *batches: Sequence[FakeRecord]) -> None:
        self.batches = list(batches)
        self.read = 0
        self.committed = 0
        self.failures: list[Exception] = []

    def poll_batch(self, max_records: int, timeout: float) -> Sequence[FakeRecord]:
        if self.read == len(self.batches):
            return []
        self.read += 1
        return self.batches[self.read - 1]

    def commit(self) -> None:
        if self.failures:
            raise self.failures.pop()
        self.committed = self.read

    def start_again(self) -> None:
        self.read = self.committed


class FakePublisher:
    """Keeps what is published; fails first, as often as told."""

    def __init__(self) -> None:
        self.wires: list[EncodedRecord] = []
        self.failures: list[Exception] = []

    async def publish(self, wires: Sequence[EncodedRecord]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.wires += wires


class MemoryTable:
    """Stands for ClickHouse where only its failures matter."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.failures: list[Exception] = []

    def insert(self, table: str, columns: tuple[str, ...], rows: Sequence[Any]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.rows += rows


@pytest.fixture
async def engine() -> AsyncIterator[OneThread]:
    one = OneThread("test-engine")
    yield one
    one.close()


Build = Callable[..., Sink]


@pytest.fixture
async def build(engine: OneThread) -> AsyncIterator[Build]:
    made: list[Sink] = []

    def make(reader: FakeReader, clickhouse: Any, publisher: FakePublisher | None = None) -> Sink:
        options = SinkOptions(first_pause=0, longest_pause=0, passing=(BrokerAway,))
        publish = (publisher or FakePublisher()).publish
        made.append(Sink(reader, clickhouse, publish, CODEC, lambda: after(10), engine=engine, options=options))
        return made[-1]

    yield make
    for sink in made:
        sink.stop.set()
        await sink.run()


def stored(clickhouse: ClickHouse) -> list[str]:
    return [name for (name,) in clickhouse.query("SELECT event_id FROM events ORDER BY event_id").rows]


def test_it_reads_the_public_topics() -> None:
    assert TOPICS == ("sms-sent", "sms-status", "sms-failed", "sms-price")


@pytest.mark.clickhouse
async def test_every_kind_of_event_is_stored_and_then_committed(clickhouse: ClickHouse, build: Build) -> None:
    story: list[Event] = [*STORY, failed("expired", "m2")]
    reader = FakeReader(records(story, CODEC))
    sink = build(reader, clickhouse)
    assert await sink.step() == len(story)
    assert stored(clickhouse) == sorted(event.event_id for event in story)
    assert reader.committed == 1
    assert (sink.state.events, sink.state.last_insert, sink.state.lag) == (len(story), after(10), 10)


@pytest.mark.clickhouse
async def test_a_batch_delivered_again_changes_no_sum(clickhouse: ClickHouse, build: Build) -> None:
    reader = FakeReader(records(STORY, CODEC))
    sink = build(reader, clickhouse)
    reader.failures = [BrokerAway("no commit")]
    await sink.step()
    assert reader.committed == 0
    reader.start_again()
    await sink.step()
    assert reader.committed == 1
    found = clickhouse.query("SELECT count(), sum(estimated), sum(billed) FROM costs").rows
    assert found == ((1, Decimal("0.0158"), Decimal("0.0158")),)
    assert len(stored(clickhouse)) == len(STORY)


async def test_a_failed_commit_is_repeated_without_new_records(build: Build) -> None:
    reader = FakeReader(records(STORY, CODEC))
    reader.failures = [BrokerAway("first"), BrokerAway("second")]
    sink = build(reader, MemoryTable())
    assert [await sink.step() for _ in range(3)] == [len(STORY), 0, 0]
    assert reader.committed == 1


async def test_a_refused_insert_is_repeated_until_it_is_stored(build: Build) -> None:
    table = MemoryTable()
    table.failures = [Unavailable(f"away {n}") for n in range(20)]
    reader = FakeReader(records(STORY, CODEC))
    sink = build(reader, table)
    await sink.step()
    assert len(table.rows) == len(STORY)
    assert reader.committed == 1
    assert sink.state.failing_since is None


async def test_nothing_is_committed_while_the_insert_fails_and_a_stop_ends_it(build: Build) -> None:
    table = MemoryTable()
    reader = FakeReader(records(STORY, CODEC))
    sink = build(reader, table)
    loop = asyncio.get_running_loop()

    def refuse(*_: Any) -> None:
        refusals.append("away")
        if len(refusals) == 5:
            loop.call_soon_threadsafe(sink.stop.set)
        raise Unavailable("away")

    refusals: list[str] = []
    table.insert = refuse  # type: ignore[assignment,method-assign]  # this table refuses for ever
    await sink.run()
    assert (reader.committed, table.rows) == (0, [])
    assert (sink.state.failing_since, sink.state.error) == (after(10), "away")


async def test_an_error_that_is_nobodys_outage_ends_the_sink_uncommitted(build: Build) -> None:
    table = MemoryTable()
    table.failures = [TypeError("a bug")]
    reader = FakeReader(records(STORY, CODEC))
    with pytest.raises(TypeError, match="a bug"):
        await build(reader, table).step()
    assert reader.committed == 0


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"garbage", "not_avro"),
        (b"", "empty"),
        (CODEC.encode(price("0.01")), "wrong_record"),
        (CODEC.encode(sent()) + b"!", "trailing_bytes"),
        (CODEC.encode(sent(segments=-1)), "unstorable"),
    ],
)
async def test_what_is_no_event_goes_to_its_topics_dead_letter(value: bytes, reason: str, build: Build) -> None:
    good, bad = records([sent(), sent("m2")], CODEC)
    bad = replace(bad, value=value, key=b"any key", partition=3, offset=41)
    table, publisher, reader = MemoryTable(), FakePublisher(), FakeReader([bad, good])
    publisher.failures = [BrokerAway("not yet")]
    sink = build(reader, table, publisher)
    await sink.step()

    (wire,) = publisher.wires
    letter = CODEC.decode(DeadLetter, wire.value)
    assert (wire.topic, wire.key) == ("sms-sent-dlq", b"any key")
    assert (letter.topic, letter.partition, letter.offset, letter.stage) == ("sms-sent", 3, 41, "sink")
    assert (letter.value, letter.reason) == (value, reason)
    assert [row[0] for row in table.rows] == ["m1/1/sent"]
    assert (reader.committed, sink.state.dead_letters) == (1, 1)


async def test_no_commit_before_the_dead_letter_is_delivered(build: Build) -> None:
    reader, publisher = FakeReader([FakeRecord("sms-sent", 0, 0, None, b"garbage")]), FakePublisher()
    publisher.failures = [RuntimeError("a bug")]
    with pytest.raises(RuntimeError, match="a bug"):
        await build(reader, MemoryTable(), publisher).step()
    assert reader.committed == 0


async def test_an_empty_poll_commits_nothing(build: Build) -> None:
    reader = FakeReader()
    assert await build(reader, MemoryTable()).step() == 0
    assert reader.committed == 0
