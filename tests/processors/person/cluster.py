"""A person stage under test: its topics on the tests' Kafka, workers as processes, records in and out."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from processors.person.app import person_topics
from processors.streaming.partitioner import partition_of
from schemas.codec import Codec
from schemas.records import SendRequest, StatusChanged
from schemas.topics import SMS_REQUESTS, SMS_STATUS
from tests.processors.person.worker import PARTITIONS

CODEC = Codec()
PATIENCE_S = 30.0
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def request(number: int, body: str = "hello", send_at: datetime | None = None, people: int = 100) -> SendRequest:
    """Message ``m<number>`` to one of a hundred people."""
    person = f"+1212555{100 + number % people:04d}"
    return SendRequest(message_id=f"m{number}", to=person, body=body, send_at=send_at, requested_at=STARTED)


class Cluster:
    """Empty topics, no worker yet."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self._folder = folder
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._workers: list[subprocess.Popen[bytes]] = []
        self._recreate_topics()

    def worker(self, instance: str = "a", in_flight: int = 64) -> subprocess.Popen[bytes]:
        """Start a worker on the instance's own data directory."""
        command = [sys.executable, "-m", "tests.processors.person.worker"]
        with (self._folder / f"{instance}.log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, self.bootstrap, str(self._folder / instance), instance, str(in_flight)],
                stdout=log,
                stderr=log,
            )
        self._workers.append(worker)
        return worker

    def log(self, instance: str = "a") -> str:
        return (self._folder / f"{instance}.log").read_text("utf-8")

    def wipe(self, instance: str = "a") -> None:
        """Lose an instance's disk."""
        shutil.rmtree(self._folder / instance)

    def kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def request(self, requests: Iterable[SendRequest]) -> None:
        """Publish under the right keys."""
        self.publish((SMS_REQUESTS.name, r.to.encode(), CODEC.encode(r), None) for r in requests)

    def publish(self, records: Iterable[tuple[str, bytes | None, bytes | None, int | None]]) -> None:
        """(topic, key, value, partition); without a partition the key's."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 20, "log_level": 0})
        for topic, key, value, partition in records:
            chosen = partition_of(key or b"", PARTITIONS) if partition is None else partition
            producer.produce(topic, value, key, partition=chosen)
            producer.poll(0)
        assert producer.flush(PATIENCE_S) == 0

    def read(self, topic: str, enough: Callable[[Sequence[Message]], bool]) -> list[Message]:
        """Everything on a topic from its beginning, as soon as it is enough; fails after a minute."""
        consumer = self._consumer(topic)
        found: list[Message] = []
        deadline = time.monotonic() + PATIENCE_S
        try:
            while not enough(found):
                assert time.monotonic() < deadline, f"{len(found)} records on {topic} were not enough"
                found += [message for message in consumer.consume(1000, 0.1) if message.error() is None]
        finally:
            consumer.close()
        return found

    def everything(self, topic: str) -> list[Message]:
        """What is on a topic now."""
        end = sum(self.ends(topic).values())
        return self.read(topic, lambda found: len(found) >= end)

    def statuses(self, wanted: Iterable[str]) -> list[StatusChanged]:
        """All status events, as soon as each of these event ids is among them."""
        missing = set(wanted)
        seen = 0

        def enough(found: Sequence[Message]) -> bool:
            nonlocal seen
            missing.difference_update(status(message).event_id for message in found[seen:])
            seen = len(found)
            return not missing

        return [status(message) for message in self.read(SMS_STATUS.name, enough)]

    def ends(self, topic: str) -> dict[int, int]:
        """The end of each partition."""
        consumer = self._consumer(topic)
        try:
            return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), 10)[1] for p in range(PARTITIONS)}
        finally:
            consumer.close()

    def _consumer(self, topic: str) -> Any:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0})
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
        return consumer

    def _recreate_topics(self) -> None:
        names = [topic.name for topic in person_topics(PARTITIONS)]
        _done(self._admin.delete_topics(names), KafkaError.UNKNOWN_TOPIC_OR_PART)
        deadline = time.monotonic() + PATIENCE_S
        while self._admin.list_topics(timeout=10).topics.keys() & set(names):
            assert time.monotonic() < deadline, "the topics of the test before are still there"
        _done(self._admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]))


def status(message: Message) -> StatusChanged:
    """The event in a record of sms-status."""
    return CODEC.decode(StatusChanged, message.value())


def _done(futures: dict[str, Any], *fine: int) -> None:
    for future in futures.values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() not in fine:
                raise
