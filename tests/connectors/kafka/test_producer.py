"""Publishing to a real broker."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner

from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.kafka.errors import PublishError
from connectors.kafka.producer import KafkaPublisher
from connectors.kafka.topic_reader import read_all
from schemas.codec import EncodedRecord
from tests.conftest import KafkaServer
from tests.connectors.kafka.topics import fresh_topic, numbered

pytestmark = pytest.mark.kafka
PARTITIONS = 3


@pytest.fixture
def topic(kafka: KafkaServer) -> str:
    return fresh_topic(kafka.bootstrap, PARTITIONS)


@pytest.fixture
async def publisher(kafka: KafkaServer) -> AsyncIterator[KafkaPublisher]:
    made = KafkaPublisher(kafka.bootstrap)
    yield made
    made.close()


async def test_what_was_published_is_there_as_it_was_given(
    publisher: KafkaPublisher, kafka: KafkaServer, topic: str
) -> None:
    given = [
        EncodedRecord(topic, b"key", b"value", (("origin", b"test"), ("origin", b"twice"))),
        EncodedRecord(topic, b"key", None),
        EncodedRecord(topic, None, b""),
    ]
    await publisher.publish(given)

    found = [EncodedRecord(r.topic, r.key, r.value, r.headers) for r in read_all(kafka.bootstrap, [topic])]
    assert sorted(found, key=repr) == sorted(given, key=repr)


async def test_keys_go_where_faust_and_java_send_them(
    publisher: KafkaPublisher, kafka: KafkaServer, topic: str
) -> None:
    await publisher.publish([EncodedRecord(topic, f"+1212555{n:04}".encode(), b"") for n in range(100)])

    partition_of = DefaultPartitioner()
    every = list(range(PARTITIONS))
    for record in read_all(kafka.bootstrap, [topic]):
        assert record.partition == partition_of(record.key, every, every)


async def test_many_batches_at_once_all_arrive_and_each_key_keeps_its_order(
    publisher: KafkaPublisher, kafka: KafkaServer, topic: str
) -> None:
    batches = [[EncodedRecord(topic, f"{n}".encode(), f"{i}".encode()) for i in range(20)] for n in range(50)]
    await asyncio.gather(*map(publisher.publish, batches))

    found = defaultdict(list)
    for record in read_all(kafka.bootstrap, [topic]):
        found[record.key].append(int(record.value or b""))
    assert found == {f"{n}".encode(): list(range(20)) for n in range(50)}


async def test_nothing_to_publish_is_done_at_once(publisher: KafkaPublisher) -> None:
    await publisher.publish([])


async def test_a_missing_topic_is_named_and_the_rest_of_the_batch_is_there(kafka: KafkaServer, topic: str) -> None:
    hasty = KafkaPublisher(kafka.bootstrap, topic_metadata_propagation_max_ms=100)
    with pytest.raises(PublishError, match=r"1 of 2 records.*no-such-topic"):
        await hasty.publish([EncodedRecord("no-such-topic", b"k", b"v"), EncodedRecord(topic, b"k", b"v")])
    hasty.close()
    assert [record.value for record in read_all(kafka.bootstrap, [topic])] == [b"v"]


async def test_a_record_that_is_too_large_is_refused_at_once(publisher: KafkaPublisher, topic: str) -> None:
    with pytest.raises(PublishError, match=r"1 of 1 records.*too large"):
        await publisher.publish([EncodedRecord(topic, b"k", bytes(2_000_000))])


async def test_a_full_queue_makes_the_publisher_wait_and_loses_nothing(kafka: KafkaServer, topic: str) -> None:
    small = KafkaPublisher(kafka.bootstrap, queue_buffering_max_messages=10)
    await small.publish(numbered(topic, 300))
    small.close()
    assert len(list(read_all(kafka.bootstrap, [topic]))) == 300


async def test_without_a_broker_it_fails_by_an_error_of_ours() -> None:
    lonely = KafkaPublisher("127.0.0.1:1", delivery_timeout_ms=100)
    with pytest.raises(PublishError, match="1 of 1 records were not acknowledged"):
        await lonely.publish([EncodedRecord("anything", b"k", b"v")])


async def test_a_cancelled_publish_does_not_stop_the_others(
    publisher: KafkaPublisher, kafka: KafkaServer, topic: str
) -> None:
    given_up = asyncio.ensure_future(publisher.publish(numbered(topic, 5)))
    await asyncio.sleep(0)
    given_up.cancel()
    await publisher.publish(numbered(topic, 5))
    assert len(list(read_all(kafka.bootstrap, [topic]))) == 10


def test_a_publisher_serves_one_loop_after_the_other(kafka: KafkaServer, topic: str) -> None:
    publisher = KafkaPublisher(kafka.bootstrap)

    async def abandoned() -> None:
        task = asyncio.ensure_future(publisher.publish(numbered(topic, 1)))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(abandoned())
    asyncio.run(publisher.publish(numbered(topic, 1)))
    publisher.close()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        yield broker


async def test_a_publish_outlives_a_crash_of_the_broker(own_broker: EmbeddedKafka) -> None:
    topic = fresh_topic(own_broker.bootstrap)
    publisher = KafkaPublisher(own_broker.bootstrap)
    await publisher.publish(numbered(topic, 10))
    await asyncio.to_thread(own_broker.kill)

    waiting = asyncio.ensure_future(publisher.publish(numbered(topic, 10)))
    await asyncio.to_thread(own_broker.start)
    await waiting

    publisher.close()
    assert len(list(read_all(own_broker.bootstrap, [topic]))) == 20
