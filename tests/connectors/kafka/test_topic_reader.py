"""Reading a topic once, from a real broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from connectors.kafka import topic_reader
from connectors.kafka.errors import ReadError
from connectors.kafka.topic_reader import read_all
from tests.conftest import KafkaServer
from tests.connectors.kafka.topics import fresh_topic

pytestmark = pytest.mark.kafka
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def publish_hourly(bootstrap: str, topic: str, count: int) -> None:
    """Records 0, 1, … an hour apart from `START` on, spread over the partitions."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for number in range(count):
        stamp = START + timedelta(hours=number)
        producer.produce(topic, str(number), str(number), timestamp=int(stamp.timestamp() * 1000))
    assert producer.flush(30) == 0


def test_everything_is_read_with_its_time_and_each_partition_in_order(kafka: KafkaServer) -> None:
    topic = fresh_topic(kafka.bootstrap)
    publish_hourly(kafka.bootstrap, topic, 20)

    records = list(read_all(kafka.bootstrap, [topic]))

    assert {int(record.value or b""): record.timestamp for record in records} == {
        number: START + timedelta(hours=number) for number in range(20)
    }
    for partition in range(3):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_since_leaves_out_what_is_older(kafka: KafkaServer) -> None:
    topic = fresh_topic(kafka.bootstrap)
    publish_hourly(kafka.bootstrap, topic, 20)

    young = read_all(kafka.bootstrap, [topic], since=START + timedelta(hours=15))

    assert sorted(int(record.value or b"") for record in young) == [15, 16, 17, 18, 19]
    assert list(read_all(kafka.bootstrap, [topic], since=START + timedelta(days=9))) == []


def test_only_the_chosen_partitions_of_several_topics_are_read(kafka: KafkaServer) -> None:
    topics = [fresh_topic(kafka.bootstrap), fresh_topic(kafka.bootstrap)]
    for topic in topics:
        publish_hourly(kafka.bootstrap, topic, 20)

    records = list(read_all(kafka.bootstrap, topics, partitions=[1]))

    assert {(record.topic, record.partition) for record in records} == {(topic, 1) for topic in topics}


def test_what_arrives_later_is_left_out(kafka: KafkaServer) -> None:
    topic = fresh_topic(kafka.bootstrap)
    publish_hourly(kafka.bootstrap, topic, 5)
    reading = read_all(kafka.bootstrap, [topic])
    first = next(reading)
    publish_hourly(kafka.bootstrap, topic, 5)
    assert len([first, *reading]) == 5


def test_an_empty_topic_ends_at_once(kafka: KafkaServer) -> None:
    assert list(read_all(kafka.bootstrap, [fresh_topic(kafka.bootstrap)])) == []


def test_a_missing_topic_is_named(kafka: KafkaServer) -> None:
    with pytest.raises(ReadError, match="no-such-topic"):
        list(read_all(kafka.bootstrap, ["no-such-topic"]))


def test_a_missing_broker_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.kafka.topic_reader.TIMEOUT", 0.2)
    with pytest.raises(ReadError, match=r"reading anything from 127\.0\.0\.1:1"):
        list(read_all("127.0.0.1:1", ["anything"]))


class Electing:
    """A consumer whose partition has no leader for the first two questions."""

    def __init__(self, code: int) -> None:
        self.code, self.asked = code, 0

    def get_watermark_offsets(self, part: TopicPartition, timeout: float) -> tuple[int, int]:
        self.asked += 1
        if self.asked <= 2:
            raise KafkaException(KafkaError(self.code))
        return 0, 7


def test_a_partition_that_elects_its_leader_is_asked_again() -> None:
    """As just after the topic was made, or a broker fell: nothing is wrong with it."""
    electing: Any = Electing(KafkaError.NOT_LEADER_FOR_PARTITION)
    assert topic_reader._ends(electing, [("sms-sent", 0)]) == {("sms-sent", 0): 7}


def test_what_waiting_cannot_heal_is_said_at_once() -> None:
    refusing: Any = Electing(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        topic_reader._ends(refusing, [("sms-sent", 0)])
    assert refusing.asked == 1
