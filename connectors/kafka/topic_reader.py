"""Reading a topic as it is now, without a group: for commands that look at everything once."""

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
"""Seconds a broker may take for one answer."""
_FETCH = 1000
_ELECTING = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})

Part = tuple[str, int]


def read_all(
    where: ClusterLike,
    topics: Sequence[str],
    since: datetime | None = None,
    partitions: Collection[int] | None = None,
) -> Iterator[ConsumedRecord]:
    """Every record there was when the first one was asked for, each partition in its order.

    ``since``: only records whose timestamp is not earlier (by each partition's time index). ``partitions``: only these.
    Raises ReadError if a topic does not exist or the broker does not answer.
    """
    complaints = LastError()
    consumer = Consumer(
        as_cluster(where).librdkafka()
        | {
            "group.id": "smsflow-reader",  # demanded by the client; never joined, nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted",
            "log_level": 0,
            "error_cb": complaints,
        }
    )
    try:
        yield from _read(consumer, topics, since, partitions)
    except KafkaException as error:
        consumer.poll(0)  # hands over the complaints
        why = complaints.explain(error.args[0].str())
        raise ReadError(f"reading {', '.join(topics)} from {where}: {why}") from error
    finally:
        consumer.close()


def _read(
    consumer: Consumer, topics: Sequence[str], since: datetime | None, chosen: Collection[int] | None
) -> Iterator[ConsumedRecord]:
    parts = [part for topic in topics for part in _parts(consumer, topic) if chosen is None or part[1] in chosen]
    ends = _ends(consumer, parts)
    left = {part for part, end in ends.items() if end > 0}
    consumer.assign([start for start in _starts(consumer, sorted(left), since) if start.offset != OFFSET_END])
    left &= {(part.topic, part.partition) for part in consumer.assignment()}
    while left:
        for message in _consume(consumer):
            # librdkafka gives all three in a record and at a partition's end
            part = (cast(str, message.topic()), cast(int, message.partition()))
            offset = cast(int, message.offset())
            at_end = _is_eof(message) or offset >= ends[part] - 1
            if not _is_eof(message) and offset < ends[part]:
                yield consumed_record(message)
            if at_end:
                left.discard(part)


def _parts(consumer: Consumer, topic: str) -> list[Part]:
    seen = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic]
    if seen.error is not None:
        raise ReadError(f"topic {topic}: {seen.error.str()}")
    return [(topic, number) for number in sorted(seen.partitions)]


def _ends(consumer: Consumer, parts: Sequence[Part]) -> Mapping[Part, int]:
    return {part: _end(consumer, TopicPartition(*part)) for part in parts}


def _end(consumer: Consumer, part: TopicPartition) -> int:
    """Where it ends. A new topic, and one whose broker fell, has no leader for a moment: that is waited for."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return int(consumer.get_watermark_offsets(part, timeout=TIMEOUT)[1])
        except KafkaException as error:
            if error.args[0].code() not in _ELECTING or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _starts(consumer: Consumer, parts: Sequence[Part], since: datetime | None) -> list[TopicPartition]:
    """Where each partition is read from; OFFSET_END if it has nothing as young as ``since``."""
    if since is None or not parts:
        return [TopicPartition(*part, OFFSET_BEGINNING) for part in parts]
    moment = int(since.timestamp() * 1000)
    found: list[TopicPartition] = consumer.offsets_for_times(
        [TopicPartition(*part, moment) for part in parts], timeout=TIMEOUT
    )
    return found


def _consume(consumer: Consumer) -> list[Message]:
    first = consumer.poll(TIMEOUT)
    if first is None:
        raise ReadError(f"no answer from the broker within {TIMEOUT} s")
    messages = [first, *consumer.consume(_FETCH, timeout=0)]  # with a timeout it would wait for a full batch
    for message in messages:
        error = message.error()
        if error is not None and not _is_eof(message):
            raise ReadError(f"{message.topic()}: {error.str()}")
    return messages


def _is_eof(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF
