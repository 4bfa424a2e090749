"""Reading topics in batches as a member of a group, committing when the reader says so: for the sink."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.kafka.cluster import ClusterLike, as_cluster
from connectors.kafka.errors import ReadError
from connectors.kafka.producer import librdkafka_log
from connectors.kafka.records import ConsumedRecord, consumed_record

logger = logging.getLogger(__name__)

DEFAULTS: dict[str, Any] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_uncommitted",
    "fetch.wait.max.ms": 100,
    "reconnect.backoff.max.ms": 1000,
}
_LASTING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._FATAL,  # says itself that it is not fatal(), and nothing comes after it
    }
)


class GroupConsumer:
    """At-least-once batches: what was not committed is delivered again, to whoever has the partition then.

    ``extra`` overrides `DEFAULTS`, librdkafka's names with underscores for dots (``group_instance_id="sink-1"``).
    """

    def __init__(self, where: ClusterLike, group: str, topics: Sequence[str], **extra: Any) -> None:
        given = {name.replace("_", "."): value for name, value in extra.items()}
        settings = {**DEFAULTS, **as_cluster(where).librdkafka(), "group.id": group, **given}
        self._consumer = Consumer(settings, logger=librdkafka_log)
        self._read: dict[tuple[str, int], int] = {}
        self._consumer.subscribe(list(topics), on_revoke=self._revoked, on_lost=self._revoked)

    def poll_batch(self, max_records: int, timeout: float) -> list[ConsumedRecord]:
        """What arrives within ``timeout`` seconds, at most ``max_records``; a full batch returns at once.

        Raises ReadError for what no waiting heals: a topic that does not exist, a right that is missing, a member that
        was replaced. A broker that is away is waited for: the batch stays empty.
        """
        messages: list[Message] = self._consumer.consume(max_records, timeout)
        records = [consumed_record(message) for message in messages if self._is_record(message)]
        for record in records:
            self._read[record.topic, record.partition] = record.offset + 1
        return records

    def commit(self) -> None:
        """Everything `poll_batch` has returned is done with. Raises ReadError if the broker did not take it.

        The records may then be delivered again. Partitions this member has lost are left out: they are another's now.
        """
        if not self._read:
            return
        offsets = [TopicPartition(*part, offset) for part, offset in self._read.items()]
        try:
            committed = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise ReadError(f"commit: {error.args[0].str()}") from error
        for part in committed:
            if part.error is not None:
                raise ReadError(f"commit of {part.topic}[{part.partition}]: {part.error.str()}")
        self._read.clear()

    def close(self) -> None:
        """Leave the group; nothing is committed."""
        self._consumer.close()

    def __enter__(self) -> GroupConsumer:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _revoked(self, _consumer: Consumer, parts: list[TopicPartition]) -> None:
        for part in parts:
            self._read.pop((part.topic, part.partition), None)

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or error.code() in _LASTING:
            raise ReadError(f"{message.topic() or 'consumer'}: {error.str()}")
        logger.warning("kafka: %s; waiting for the broker", error.str())
        return False
