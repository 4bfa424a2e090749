"""Reads topics in batches as a member of a consumer group; the caller decides when to commit. Used by the sink."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.kafka.cluster import ClusterLike, as_cluster
from connectors.kafka.errors import ReadError
from connectors.kafka.producer import librdkafka_logger
from connectors.kafka.records import ConsumedRecord, consumed_record

logger = logging.getLogger(__name__)

DEFAULTS: dict[str, Any] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_uncommitted",
    "fetch.wait.max.ms": 100,
    "reconnect.backoff.max.ms": 1000,
}
_PERMANENT_ERRORS = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._FATAL,  # this error's own fatal() is False, yet the client returns nothing after it
    }
)


class GroupConsumer:
    """At-least-once batches: records that were not committed are delivered again to the partition's next owner.

    Args:
        cluster: The Kafka cluster.
        group: The consumer group to join.
        topics: The topics to subscribe to.
        **extra: Options that override ``DEFAULTS``: librdkafka's names with underscores in place of dots, like
            ``group_instance_id="sink-1"``.
    """

    def __init__(self, cluster: ClusterLike, group: str, topics: Sequence[str], **extra: Any) -> None:
        overrides = {name.replace("_", "."): value for name, value in extra.items()}
        options = {**DEFAULTS, **as_cluster(cluster).librdkafka(), "group.id": group, **overrides}
        self._consumer = Consumer(options, logger=librdkafka_logger)
        self._next_offsets: dict[tuple[str, int], int] = {}
        self._consumer.subscribe(list(topics), on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def poll_batch(self, max_records: int, timeout: float) -> list[ConsumedRecord]:
        """Wait for records; a full batch returns at once.

        Args:
            max_records: The most records to return.
            timeout: Seconds to wait for a full batch; the batch may be empty then, also while a broker is away.

        Raises:
            ReadError: Waiting does not help: a topic does not exist, a right is missing, or another member with the
                same ``group.instance.id`` took this member's place.
        """
        messages: list[Message] = self._consumer.consume(max_records, timeout)
        records = [consumed_record(message) for message in messages if self._is_record(message)]
        for record in records:
            self._next_offsets[record.topic, record.partition] = record.offset + 1
        return records

    def commit(self) -> None:
        """Commit everything that ``poll_batch`` has returned, except on partitions that another member owns now.

        Raises:
            ReadError: The broker did not take the commit; the records may be delivered again.
        """
        if not self._next_offsets:
            return
        offsets = [TopicPartition(*partition, offset) for partition, offset in self._next_offsets.items()]
        try:
            committed = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise ReadError(f"commit: {error.args[0].str()}") from error
        for partition in committed:
            if partition.error is not None:
                raise ReadError(f"commit of {partition.topic}[{partition.partition}]: {partition.error.str()}")
        self._next_offsets.clear()

    def close(self) -> None:
        """Leave the group without a commit."""
        self._consumer.close()

    def __enter__(self) -> GroupConsumer:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._next_offsets.pop((partition.topic, partition.partition), None)

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or error.code() in _PERMANENT_ERRORS:
            raise ReadError(f"{message.topic() or 'consumer'}: {error.str()}")
        logger.warning("Kafka: %s; waiting for the broker", error.str())
        return False
