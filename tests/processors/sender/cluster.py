"""A sender stage under test: its topics on the tests' Kafka, workers as processes, commands in and answers out."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from processors.sender.app import sender_topics
from schemas.codec import Codec
from schemas.records import AttemptResult, Dispatch
from schemas.topics import LANES, SMS_ATTEMPTS
from tests.processors.sender.worker import PARTITIONS

CODEC = Codec()
PATIENCE_S = 60.0


class Cluster:
    """Empty topics, no worker yet."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self._folder = folder
        self._workers: list[subprocess.Popen[bytes]] = []
        self._recreate_topics()

    def worker(self, twilio: str, instance: str = "a") -> subprocess.Popen[bytes]:
        """Start a worker on the instance's own data directory."""
        arguments = [self.bootstrap, str(self._folder / instance), instance, twilio]
        with (self._folder / f"{instance}.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.processors.sender.worker", *arguments]
            worker = subprocess.Popen(command, stdout=log, stderr=log)
        self._workers.append(worker)
        return worker

    def log(self, instance: str = "a") -> str:
        return (self._folder / f"{instance}.log").read_text("utf-8")

    def kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def dispatch(self, commands: Iterable[Dispatch]) -> None:
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random", "linger.ms": 20, "log_level": 0}
        )
        for command in commands:
            producer.produce(LANES[command.lane].name, CODEC.encode(command), command.sender.encode())
            producer.poll(0)
        assert producer.flush(PATIENCE_S) == 0

    def answers(self, enough: Callable[[Sequence[AttemptResult]], bool], patience_s: float = 60) -> list[AttemptResult]:
        """Everything on sms-attempts from its beginning, as soon as it is enough."""
        consumer = self._consumer(SMS_ATTEMPTS.name)
        found: list[AttemptResult] = []
        deadline = time.monotonic() + patience_s
        try:
            while not enough(found):
                assert time.monotonic() < deadline, f"{len(found)} answers were not enough"
                records = [record for record in consumer.consume(1000, 0.1) if record.error() is None]
                found += [CODEC.decode(AttemptResult, record.value()) for record in records]
        finally:
            consumer.close()
        return found

    def _consumer(self, topic: str) -> Any:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0})
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
        return consumer

    def _recreate_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        names = [topic.name for topic in sender_topics(PARTITIONS)]
        _done(admin.delete_topics(names), KafkaError.UNKNOWN_TOPIC_OR_PART)
        deadline = time.monotonic() + PATIENCE_S
        while admin.list_topics(timeout=10).topics.keys() & set(names):
            assert time.monotonic() < deadline, "the topics of the test before are still there"
        _done(admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]))


def _done(futures: dict[str, Any], *fine: int) -> None:
    for future in futures.values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() not in fine:
                raise
