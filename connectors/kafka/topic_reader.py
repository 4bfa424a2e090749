"""Reads a topic's present content once, without a consumer group: for commands."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from connectors.kafka.cluster import ClusterLike, LastError, as_cluster
from connectors.kafka.errors import ReadError
from connectors.kafka.records import ConsumedRecord, consumed_record

TIMEOUT = 30.0
"""Seconds that a broker may take for one answer."""
_FETCH_RECORDS = 1000
_NO_LEADER_YET = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})

_PartitionId = tuple[str, int]
"""Topic and partition number: hashable by value, which librdkafka's ``TopicPartition`` is not."""


def read_all(
    cluster: ClusterLike,
    topics: Sequence[str],
    since: datetime | None = None,
    partitions: Collection[int] | None = None,
) -> Iterator[ConsumedRecord]:
    """Every record that the topics have when the iteration starts; each partition in its order.

    Args:
        cluster: The Kafka cluster.
        topics: Names of existing topics.
        since: Skip older records, by each partition's time index; None reads from the beginning.
        partitions: Read only these partitions of each topic; None reads all.

    Raises:
        ReadError: A topic does not exist, or the broker does not answer.
    """
    last_error = LastError()
    consumer = Consumer(
        as_cluster(cluster).librdkafka()
        | {
            "group.id": "smsflow-reader",  # the client demands one; it is never joined and nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
            "log_level": 0,
            "error_cb": last_error,
        }
    )
    try:
        yield from _read(consumer, topics, since, partitions)
    except KafkaException as error:
        consumer.poll(0)  # runs error_cb
        why = last_error.explain(error.args[0].str())
        raise ReadError(f"reading {', '.join(topics)} from {cluster}: {why}") from error
    finally:
        consumer.close()


def _read(
    consumer: Consumer, topics: Sequence[str], since: datetime | None, chosen: Collection[int] | None
) -> Iterator[ConsumedRecord]:
    partitions = [
        partition
        for topic in topics
        for partition in _partitions(consumer, topic)
        if chosen is None or partition[1] in chosen
    ]
    ends = _ends(consumer, partitions)
    left = {partition for partition, end in ends.items() if end > 0}
    consumer.assign([start for start in _starts(consumer, sorted(left), since) if start.offset != OFFSET_END])
    left &= {(assigned.topic, assigned.partition) for assigned in consumer.assignment()}
    while left:
        for message in _consume(consumer):
            # librdkafka gives all three in a record and at a partition's end
            partition = (cast(str, message.topic()), cast(int, message.partition()))
            offset = cast(int, message.offset())
            at_end = _is_eof(message) or offset >= ends[partition] - 1
            if not _is_eof(message) and offset < ends[partition]:
                yield consumed_record(message)
            if at_end:
                left.discard(partition)


def _partitions(consumer: Consumer, topic: str) -> list[_PartitionId]:
    metadata = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic]
    if metadata.error is not None:
        raise ReadError(f"topic {topic}: {metadata.error.str()}")
    return [(topic, number) for number in sorted(metadata.partitions)]


def _ends(consumer: Consumer, partitions: Sequence[_PartitionId]) -> Mapping[_PartitionId, int]:
    return {partition: _end(consumer, TopicPartition(*partition)) for partition in partitions}


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """The partition's end offset. A new topic, or one whose broker crashed, has no leader yet: wait for the leader."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return int(consumer.get_watermark_offsets(partition, timeout=TIMEOUT)[1])
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _starts(consumer: Consumer, partitions: Sequence[_PartitionId], since: datetime | None) -> list[TopicPartition]:
    """The first offset to read of each partition; OFFSET_END where every record is older than ``since``."""
    if since is None or not partitions:
        return [TopicPartition(*partition, OFFSET_BEGINNING) for partition in partitions]
    milliseconds = int(since.timestamp() * 1000)
    found: list[TopicPartition] = consumer.offsets_for_times(
        [TopicPartition(*partition, milliseconds) for partition in partitions], timeout=TIMEOUT
    )
    return found


def _consume(consumer: Consumer) -> list[Message]:
    first = consumer.poll(TIMEOUT)
    if first is None:
        raise ReadError(f"no answer from the broker within {TIMEOUT} s")
    messages = [first, *consumer.consume(_FETCH_RECORDS, timeout=0)]  # a time-out would wait for a full batch
    for message in messages:
        error = message.error()
        if error is not None and not _is_eof(message):
            raise ReadError(f"{message.topic()}: {error.str()}")
    return messages


def _is_eof(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF
