"""Publishes from asyncio: librdkafka batches and retries in its own threads, the event loop collects the deliveries.

The event loop polls once a millisecond, and only while deliveries are outstanding. A polling thread would compete with
the loop for the interpreter's lock at every delivery.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connectors.kafka.cluster import ClusterLike, LastError, as_cluster
from connectors.kafka.errors import PublishError
from schemas.codec import EncodedRecord

POLL_SECONDS = 0.001
librdkafka_logger = logging.getLogger(f"{__package__}.librdkafka")
"""Gets what long-lived clients report about lost brokers; librdkafka reconnects by itself."""

DEFAULTS: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",  # as Java's client and Faust; librdkafka's own default puts keys elsewhere
    "linger.ms": 2,
    "compression.type": "none",
    "delivery.timeout.ms": 120_000,
    "queue.buffering.max.messages": 200_000,
    "reconnect.backoff.max.ms": 1000,
}


class _PublishedBatch:
    """The deliveries that one call of ``KafkaPublisher.publish`` waits for."""

    __slots__ = ("error", "failed", "future", "left")

    def __init__(self, size: int, future: asyncio.Future[None]) -> None:
        self.left = size
        self.failed = 0
        self.error = ""
        self.future = future

    def on_delivery(self, error: KafkaError | None, message: Message | None) -> None:
        """Count one record as delivered or given up; librdkafka calls this method inside ``poll``."""
        if error is not None:
            self.failed += 1
            self.error = self.error or f"{message.topic() if message else 'refused at once'}: {error.str()}"
        self.left -= 1
        if not self.left and not self.future.done():
            self.future.set_result(None)


class KafkaPublisher:
    """A producer for the coroutines of one event loop at a time (port ``Publisher``).

    Build it early: during its first second it waits for a producer id from the broker.

    Args:
        cluster: The Kafka cluster.
        **extra: Options that override ``DEFAULTS``: librdkafka's names with underscores in place of dots.
    """

    def __init__(self, cluster: ClusterLike, **extra: Any) -> None:
        overrides = {name.replace("_", "."): value for name, value in extra.items()}
        self._last_error = LastError(librdkafka_logger)
        options = {**DEFAULTS, **as_cluster(cluster).librdkafka(), "error_cb": self._last_error, **overrides}
        self._producer = Producer(options, logger=librdkafka_logger)
        self._outstanding = 0
        self._polled_by: asyncio.AbstractEventLoop | None = None

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        """Return when all in-sync replicas have every record. Records of one key and one call keep their order.

        Raises:
            PublishError: At least one record was given up; the others may be on the topic.
        """
        if not records:
            return
        loop = asyncio.get_running_loop()
        batch = _PublishedBatch(len(records), loop.create_future())
        self._outstanding += 1
        try:
            for record in records:
                while not self._produce(record, batch):  # noqa: ASYNC110  librdkafka does not signal free space
                    await asyncio.sleep(POLL_SECONDS)
            self._schedule_poll(loop)
            await batch.future
        finally:
            self._outstanding -= 1
        if batch.failed:
            why = self._last_error.explain(batch.error)
            raise PublishError(f"{batch.failed} of {len(records)} records were not acknowledged: {why}")
        self._last_error.clear()

    def flush(self, timeout: float = 30) -> None:
        """Wait until every produced record is delivered or given up.

        Args:
            timeout: Seconds to wait.

        Raises:
            PublishError: Deliveries are still outstanding after ``timeout``.
        """
        left = self._producer.flush(timeout)
        if left:
            raise PublishError(f"{left} records were not acknowledged within {timeout} s")

    def close(self, timeout: float = 30) -> None:
        """Flush; the publisher may not be used afterwards.

        Args:
            timeout: Seconds to wait.

        Raises:
            PublishError: Deliveries are still outstanding after ``timeout``.
        """
        self.flush(timeout)

    def _produce(self, record: EncodedRecord, batch: _PublishedBatch) -> bool:
        """Hand one record to librdkafka; False if its queue is full for now."""
        try:
            if record.headers:
                self._producer.produce(
                    record.topic, record.value, record.key, on_delivery=batch.on_delivery, headers=list(record.headers)
                )
            else:
                self._producer.produce(record.topic, record.value, record.key, on_delivery=batch.on_delivery)
        except BufferError:
            self._producer.poll(0)
            return False
        except KafkaException as error:  # the record is too large, or the producer failed for good: no retry helps
            batch.on_delivery(error.args[0], None)
        return True

    def _schedule_poll(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._polled_by is not loop:
            self._polled_by = loop
            loop.call_later(POLL_SECONDS, self._poll, loop)

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        self._polled_by = None
        self._producer.poll(0)
        if self._outstanding:
            self._schedule_poll(loop)
