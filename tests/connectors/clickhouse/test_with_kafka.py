"""The sink between a real Kafka and a real ClickHouse."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.engine import OneThread
from connectors.clickhouse.rows import Event
from connectors.clickhouse.sink import TOPICS, Sink, SinkOptions
from connectors.kafka.admin import KafkaAdmin
from connectors.kafka.consumer import GroupConsumer
from connectors.kafka.errors import PublishError, ReadError
from connectors.kafka.producer import KafkaPublisher
from connectors.kafka.topic_reader import read_all
from schemas.codec import Codec, EncodedRecord
from schemas.records import DeadLetter
from schemas.topics import BY_NAME, PUBLIC
from tests.conftest import KafkaServer
from tests.connectors.clickhouse.fixtures import TOPIC_OF, price, sent, status

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]
CODEC = Codec()


@pytest.fixture
def reader(kafka: KafkaServer) -> Iterator[GroupConsumer]:
    wanted = [*PUBLIC, *(BY_NAME[topic.dead_letter] for topic in PUBLIC if topic.dead_letter)]
    KafkaAdmin(kafka.bootstrap).apply(wanted, replication=1)
    with GroupConsumer(kafka.bootstrap, uuid.uuid4().hex, TOPICS, session_timeout_ms=6000) as joined:
        yield joined


@pytest.fixture
async def publisher(kafka: KafkaServer) -> AsyncIterator[KafkaPublisher]:
    made = KafkaPublisher(kafka.bootstrap)
    yield made
    made.close()


@pytest.fixture
async def engine() -> AsyncIterator[OneThread]:
    one = OneThread("test-engine")
    yield one
    one.close()


async def test_events_become_rows_and_garbage_a_dead_letter(
    kafka: KafkaServer, reader: GroupConsumer, publisher: KafkaPublisher, clickhouse: ClickHouse, engine: OneThread
) -> None:
    name = uuid.uuid4().hex
    events: list[Event] = [sent(name), status("delivered", name), price("0.0158", name)]
    garbage = EncodedRecord(TOPICS[0], b"any", b"garbage " + name.encode())
    await publisher.publish([garbage, *(CODEC.wire(TOPIC_OF[type(event)], event.person, event) for event in events)])
    options = SinkOptions(linger=0.2, passing=(PublishError, ReadError))
    sink = Sink(reader, clickhouse, publisher.publish, CODEC, lambda: datetime.now(UTC), engine=engine, options=options)
    mine = f"WHERE message_id = '{name}'"
    for _ in range(100):
        await sink.step()
        if clickhouse.query(f"SELECT count() FROM events {mine}").rows == ((3,),):
            break
    sink.stop.set()
    await sink.run()

    assert clickhouse.query(f"SELECT estimated, billed FROM costs {mine}").rows == ((Decimal("0.0158"),) * 2,)
    letters = [CODEC.decode(DeadLetter, record.value) for record in read_all(kafka.bootstrap, ["sms-sent-dlq"])]
    assert [letter.reason for letter in letters if letter.value == garbage.value] == ["not_avro"]
