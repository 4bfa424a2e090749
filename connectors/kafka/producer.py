"""Publishing from asyncio at a few microseconds a record: librdkafka batches and retries, the loop only looks in.

Deliveries are asked for from the loop itself, once a millisecond and only while some are outstanding. A polling thread
would fight the loop for the interpreter's lock at every delivery.
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
librdkafka_log = logging.getLogger(f"{__package__}.librdkafka")
"""Where clients that live long tell of lost brokers, which they find again by themselves."""

DEFAULTS: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",  # Java's and Faust's: librdkafka's own default sends keys elsewhere
    "linger.ms": 2,
    "compression.type": "none",
    "delivery.timeout.ms": 120_000,
    "queue.buffering.max.messages": 200_000,
    "reconnect.backoff.max.ms": 1000,
}


class _PublishedBatch:
    """What one `KafkaPublisher.publish` waits for."""

    __slots__ = ("error", "failed", "future", "left")

    def __init__(self, size: int, future: asyncio.Future[None]) -> None:
        self.left = size
        self.failed = 0
        self.error = ""
        self.future = future

    def delivered(self, error: KafkaError | None, message: Message | None) -> None:
        """One record of this batch is through, or given up; called by librdkafka inside ``poll``."""
        if error is not None:
            self.failed += 1
            self.error = self.error or f"{message.topic() if message else 'refused at once'}: {error.str()}"
        self.left -= 1
        if not self.left and not self.future.done():
            self.future.set_result(None)


class KafkaPublisher:
    """A producer for the coroutines of one event loop at a time.

    ``extra`` overrides `DEFAULTS`: librdkafka's names with underscores for dots. Build it early: for its first second
    it is still asking the broker for a producer id.
    """

    def __init__(self, where: ClusterLike, **extra: Any) -> None:
        given = {name.replace("_", "."): value for name, value in extra.items()}
        self._complaints = LastError(librdkafka_log)
        options = {**DEFAULTS, **as_cluster(where).librdkafka(), "error_cb": self._complaints, **given}
        self._producer = Producer(options, logger=librdkafka_log)
        self._outstanding = 0
        self._polled_by: asyncio.AbstractEventLoop | None = None

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        """Return when all in-sync replicas have every record.

        Records of one key and call keep their order. Raises PublishError if one was given up; the others may be there.
        """
        if not records:
            return
        loop = asyncio.get_running_loop()
        batch = _PublishedBatch(len(records), loop.create_future())
        self._outstanding += 1
        try:
            for record in records:
                while not self._produced(record, batch):  # noqa: ASYNC110  librdkafka does not tell of new room
                    await asyncio.sleep(POLL_SECONDS)
            self._poll_soon(loop)
            await batch.future
        finally:
            self._outstanding -= 1
        if batch.failed:
            why = self._complaints.explain(batch.error)
            raise PublishError(f"{batch.failed} of {len(records)} records were not acknowledged: {why}")
        self._complaints.clear()

    def flush(self, timeout: float = 30) -> None:
        """Wait until everything produced is through. Raises PublishError if it is not within ``timeout`` seconds."""
        left = self._producer.flush(timeout)
        if left:
            raise PublishError(f"{left} records were not acknowledged within {timeout} s")

    def close(self, timeout: float = 30) -> None:
        """Flush; the producer may not be used afterwards."""
        self.flush(timeout)

    def _produced(self, record: EncodedRecord, batch: _PublishedBatch) -> bool:
        """Hand one record over; False if librdkafka's queue is full for now."""
        try:
            if record.headers:
                self._producer.produce(
                    record.topic, record.value, record.key, on_delivery=batch.delivered, headers=list(record.headers)
                )
            else:
                self._producer.produce(record.topic, record.value, record.key, on_delivery=batch.delivered)
        except BufferError:
            self._producer.poll(0)
            return False
        except KafkaException as error:  # too large, or the producer is beyond repair: this record will not go
            batch.delivered(error.args[0], None)
        return True

    def _poll_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._polled_by is not loop:
            self._polled_by = loop
            loop.call_later(POLL_SECONDS, self._poll, loop)

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        self._polled_by = None
        self._producer.poll(0)
        if self._outstanding:
            self._poll_soon(loop)
