"""A real broker dies and comes back behind the ingester's delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from connectors.clock import SystemClock
from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.kafka.producer import KafkaPublisher
from connectors.kafka.spool.drainer import SpoolDrainer
from connectors.kafka.spool.publisher import SpoolingPublisher
from connectors.kafka.spool.spool import Spool
from connectors.kafka.topic_reader import read_all
from schemas.codec import EncodedRecord
from tests.connectors.kafka.topics import fresh_topic

pytestmark = pytest.mark.kafka
PEOPLE = 5


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
async def delivery(own_broker: EmbeddedKafka, tmp_path: Path) -> AsyncIterator[SpoolingPublisher]:
    publisher, clock = KafkaPublisher(own_broker.bootstrap), SystemClock()
    drainer = SpoolDrainer(Spool(tmp_path / "spool", 1 << 24), publisher, clock)
    running = SpoolingPublisher(publisher, clock, 0.5, drainer)
    await running.start()
    yield running
    await running.stop()
    publisher.close()


async def accepted(running: SpoolingPublisher, wire: EncodedRecord) -> bool:
    return await running.put([wire])


async def test_an_outage_costs_no_record_no_order_and_nothing_twice(
    own_broker: EmbeddedKafka, delivery: SpoolingPublisher
) -> None:
    topic = fresh_topic(own_broker.bootstrap)
    wires = [EncodedRecord(topic, b"person %d" % (n % PEOPLE), b"%d" % n) for n in range(600)]
    before = await asyncio.gather(*(accepted(delivery, wire) for wire in wires[:200]))
    await emptied(delivery)  # a new broker may take longer for its first acknowledgement
    assert delivery.drainer is not None
    late = delivery.drainer.counts["acknowledged_late"]
    await asyncio.to_thread(own_broker.kill)
    during = [await accepted(delivery, wires[200])]
    during += await asyncio.gather(*(accepted(delivery, wire) for wire in wires[201:400]))
    assert delivery.drainer.waiting == 200
    await asyncio.to_thread(own_broker.start)
    after = await asyncio.gather(*(accepted(delivery, wire) for wire in wires[400:]))
    await emptied(delivery)

    assert all([*before, *during, *after])
    found = [(record.key, record.value) for record in read_all(own_broker.bootstrap, [topic])]
    for person in range(PEOPLE):
        key = b"person %d" % person
        assert [value for k, value in found if k == key] == [b"%d" % n for n in range(person, 600, PEOPLE)]
    assert delivery.drainer.counts["acknowledged_late"] == late + 1


async def emptied(running: SpoolingPublisher) -> None:
    async with asyncio.timeout(60):
        while running.drainer is not None and running.drainer.waiting:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.05)
