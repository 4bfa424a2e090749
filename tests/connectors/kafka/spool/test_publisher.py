"""From a record in hand to a record in Kafka, through whatever the broker and the disk do on the way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.clock import ManualClock
from connectors.kafka.errors import PublishError
from connectors.kafka.spool.drainer import SpoolDrainer
from connectors.kafka.spool.publisher import SpoolingPublisher
from connectors.kafka.spool.spool import Spool
from connectors.kafka.spool.sqlite_file import SpoolFile
from schemas.codec import EncodedRecord
from tests.builders import NOW, seconds

MIB = 1 << 20


class Broker:
    """Acknowledges at once, or when a test says so."""

    def __init__(self) -> None:
        self.published: list[EncodedRecord] = []
        self.up = True
        self.hanging: list[tuple[Sequence[EncodedRecord], asyncio.Future[None]]] = []
        self.hangs = False

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        if self.hangs:
            answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.hanging.append((records, answer))
            await answer
        if not self.up:
            raise PublishError("down")
        self.published.extend(records)

    def values(self) -> list[bytes | None]:
        return [wire.value for wire in self.published]

    def answer_all(self) -> None:
        self.hangs = False
        for _, answer in self.hanging:
            answer.set_result(None)


def wire(n: int, person: str = "+12125550100", size: int = 1) -> EncodedRecord:
    return EncodedRecord("sms-callbacks", person.encode(), str(n).encode().ljust(size))


@asynccontextmanager
async def delivery(
    broker: Broker, path: Path | None, timeout: float = 0.02, max_bytes: int = MIB, clock: ManualClock | None = None
) -> AsyncIterator[SpoolingPublisher]:
    clock = clock or ManualClock(NOW)
    drainer = SpoolDrainer(Spool(path, max_bytes), broker, clock, batch=4, retry_s=0.005) if path else None
    running = SpoolingPublisher(broker, clock, timeout, drainer)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def put(running: SpoolingPublisher, record: EncodedRecord) -> asyncio.Future[bool]:
    return running.put([record])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.001)


def waiting(running: SpoolingPublisher) -> int:
    assert running.drainer is not None
    return running.drainer.waiting


async def test_what_comes_in_at_once_is_published_together() -> None:
    broker = Broker()
    async with delivery(broker, None) as running:
        assert all(await asyncio.gather(*(put(running, wire(n)) for n in range(5))))

    assert broker.values() == [b"0", b"1", b"2", b"3", b"4"]


async def test_without_a_disk_the_answer_is_no_and_readiness_says_so() -> None:
    broker, clock = Broker(), ManualClock(NOW)
    async with delivery(broker, None, clock=clock) as running:
        broker.up = False
        assert not await put(running, wire(1))
        assert running.trouble() is not None
        clock.advance(seconds(6))
        assert running.trouble() is None


async def test_a_broker_that_is_down_fills_the_spool_and_one_that_is_back_empties_it(tmp_path: Path) -> None:
    broker = Broker()
    broker.up = False
    async with delivery(broker, tmp_path / "spool.db") as running:
        for n in range(10):
            assert await put(running, wire(n))
        assert waiting(running) == 10
        broker.up = True
        await until(lambda: not waiting(running))
        assert await put(running, wire(10))

    assert broker.values() == [str(n).encode() for n in range(11)]


async def test_a_broker_that_hangs_is_waited_for_only_so_long(tmp_path: Path) -> None:
    broker = Broker()
    broker.hangs = True
    async with delivery(broker, tmp_path / "spool.db") as running:
        assert await put(running, wire(1))
        assert waiting(running) == 1
        broker.answer_all()
        await until(lambda: not waiting(running))

    assert broker.values() == [b"1"]


async def test_what_is_acknowledged_late_is_not_published_again(tmp_path: Path) -> None:
    """Also after a restart: the spool has forgotten it."""
    broker = Broker()
    broker.hangs = True
    async with delivery(broker, tmp_path / "spool.db") as running:
        late = [put(running, wire(1))]
        await asyncio.sleep(0)
        late.append(put(running, wire(2)))
        assert all(await asyncio.gather(*late))
        assert await put(running, wire(3))
        assert [[w.value for w in records] for records, _ in broker.hanging] == [[b"1"], [b"2"]]
        broker.answer_all()
        await until(lambda: not waiting(running))
        assert running.drainer is not None
        assert (running.drainer.counts["acknowledged_late"], running.drainer.counts["drained"]) == (2, 1)
    async with delivery(broker, tmp_path / "spool.db") as running:
        assert waiting(running) == 0

    assert broker.values() == [b"1", b"2", b"3"]


async def test_nothing_overtakes_what_waits(tmp_path: Path) -> None:
    """The second batch is still within its time when the first one's is up."""
    broker = Broker()
    broker.hangs = True
    async with delivery(broker, tmp_path / "spool.db", timeout=0.03) as running:
        first = put(running, wire(1))
        await asyncio.sleep(0.02)
        second = put(running, wire(2))
        assert await first
        third = put(running, wire(3))
        assert await second
        assert await third
        broker.up = False
        broker.answer_all()
        await asyncio.sleep(0)
        broker.up = True
        await until(lambda: not waiting(running))

    assert broker.values() == [b"1", b"2", b"3"]


async def test_the_next_process_takes_up_what_the_last_one_left(tmp_path: Path) -> None:
    broker = Broker()
    broker.up = False
    async with delivery(broker, tmp_path / "spool.db") as running:
        assert all(await asyncio.gather(*(put(running, wire(n)) for n in range(9))))
    broker.up = True
    async with delivery(broker, tmp_path / "spool.db") as running:
        assert await put(running, wire(9))
        await until(lambda: not waiting(running))

    assert broker.values() == [str(n).encode() for n in range(10)]


async def test_an_orderly_end_does_not_publish_twice(tmp_path: Path) -> None:
    """What the drainer is publishing when the end comes is through before the end."""
    broker = Broker()
    broker.up = False
    async with delivery(broker, tmp_path / "spool.db") as running:
        for n in range(9):
            await put(running, wire(n))
        broker.up, broker.hangs = True, True
        await until(lambda: bool(broker.hanging))
        asyncio.get_running_loop().call_later(0.01, broker.answer_all)
    async with delivery(broker, tmp_path / "spool.db") as running:
        await until(lambda: not waiting(running))

    assert broker.values() == [str(n).encode() for n in range(9)]


async def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    broker = Broker()
    broker.up = False
    accepted = []
    async with delivery(broker, tmp_path / "spool.db", max_bytes=200_000) as running:
        for n in range(40):
            if await put(running, wire(n, size=20_000)):
                accepted.append(n)
        assert running.trouble() == "the spool is full or broken"
        assert running.drainer is not None
        assert running.drainer.counts["refused"] == 40 - len(accepted)
        broker.up = True
        await until(lambda: not waiting(running))
        assert await put(running, wire(40))

    assert 3 < len(accepted) < 40
    assert [int(value or b"") for value in broker.values()] == [*accepted, 40]


async def test_a_disk_that_is_full_does_not_keep_the_spool_from_emptying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting needs room too; what is published is remembered until there is some."""
    broker = Broker()
    broker.up = False
    delete = SpoolFile.delete

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with delivery(broker, tmp_path / "spool.db") as running:
        for n in range(10):
            await put(running, wire(n))
        monkeypatch.setattr(SpoolFile, "delete", full)
        broker.up = True
        await until(lambda: not waiting(running))
        assert running.drainer is not None
        assert (await running.drainer.contents()).waiting == 10
        monkeypatch.setattr(SpoolFile, "delete", delete)

    assert broker.values() == [str(n).encode() for n in range(10)]
    async with delivery(broker, tmp_path / "spool.db") as running:
        assert waiting(running) == 0


@settings(max_examples=25, deadline=None)
@given(script=st.lists(st.sampled_from(["put", "put", "put", "up", "down", "restart", "wait"]), max_size=25))
async def test_every_accepted_record_arrives_in_its_persons_order(
    script: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A failed publish publishes nothing here, so nothing arrives twice either."""
    broker, path, sent = Broker(), tmp_path_factory.mktemp("spool") / "spool.db", 0
    people = ("+12125550100", "+12125550101")
    while script:
        async with delivery(broker, path) as running:
            while script:
                step = script.pop(0)
                if step == "restart":
                    break
                if step == "put":
                    assert await put(running, wire(sent, people[sent % 2]))
                    sent += 1
                broker.up = {"up": True, "down": False}.get(step, broker.up)
                await asyncio.sleep(0.002 if step == "wait" else 0)
    broker.up = True
    async with delivery(broker, path) as running:
        await until(lambda: not waiting(running))

    assert broker.values() == [str(n).encode() for n in range(sent)]
