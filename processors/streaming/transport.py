"""smsflow's transport for Faust: the aiokafka driver, repaired, and with a fence before each produce request.

Each override of a private method says what upstream does, what goes wrong without the override, which test shows that,
and when the override can go. ``faust_patches.install`` refuses versions for which nobody has checked this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, Message
from mode.services import WaitResults

from processors.streaming import direct_delivery
from processors.streaming.faust_patches import produce_fence
from processors.streaming.faust_patches.heartbeat import HeartbeatMember
from processors.streaming.faust_patches.produce_fence import GroupMembership
from processors.streaming.kafka_client import FetchedRecord, KafkaClient, assignment_of

logger = logging.getLogger(__name__)


class StageConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread in which aiokafka's consumer runs."""

    @property
    def client(self) -> KafkaClient | None:
        """The consumer of aiokafka; None before the thread has started."""
        return self._consumer

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek each source partition to its committed offset, or to its beginning where nothing was committed yet.

        Upstream: ``aiokafka/consumer/consumer.py``, ``seek_to_committed`` leaves a partition without a committed offset
            where it is. Faust calls it after it threw away what came while the flow was stopped.
        Without the override: such a partition stays behind what was thrown away. No worker reads those records again,
            and the first commit passes over them.
        Shown by: ``tests/processors/streaming/test_transport.py`` and ``tests/crash/test_rebalance.py``.
        Remove when: aiokafka seeks such a partition by its ``auto_offset_reset``.
        """
        committed = await super().seek_to_committed()
        is_changelog = cast(StageConsumer, self.consumer)._is_changelog_tp
        uncommitted = [tp for tp, offset in committed.items() if not offset and not is_changelog(tp)]
        if uncommitted:
            await self.call_thread(_seek_to_beginning, self._ensure_consumer(), uncommitted)
        return committed


class StageConsumer(driver.Consumer):
    """Faust's consumer. Methods that begin with ``_`` are Faust's; the others answer what smsflow asks Faust about."""

    _thread: StageConsumerThread
    _deferred: set[TP] | None = None

    def group_member(self) -> HeartbeatMember | None:
        """This worker's membership in the consumer group; None before the consumer has started."""
        client = self._thread.client
        return None if client is None else client._coordinator

    def is_assigned(self, tp: TP) -> bool:
        """Whether the consumer has this partition in its current generation."""
        client = self._thread.client
        assignment = None if client is None else assignment_of(client)
        return assignment is not None and tp in assignment.tps

    def stop_waiting_for(self, message: Message) -> None:
        """Let no rebalance wait for this message, which will never be acknowledged here.

        Before Faust rejoins its group it waits for each message that anybody still refers to. The agent's loop refers
        to its last one until the next comes: without end, as none comes before the group is rejoined.
        """
        self._unacked_messages.discard(message)

    def committed_offsets(self, topics: Collection[str]) -> dict[TP, int]:
        """Of each owned partition of these topics: the offset of the next record to commit, 0 where none was."""
        return {tp: self._committed_offset.get(tp) or 0 for tp in self.assignment() if tp.topic in topics}

    @contextmanager
    def deferred_resume(self) -> Iterator[set[TP]]:
        """Inside the context, ``resume_partitions`` only collects, in the set that the context gives."""
        self._deferred = set()
        try:
            yield self._deferred
        finally:
            self._deferred = None

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Fetch from these partitions again, or collect them for later (``deferred_resume``)."""
        if self._deferred is None:
            super().resume_partitions(tps)
        else:
            self._deferred.update(tps)

    async def wait_first(self, *waits: Any, timeout: Any = None) -> WaitResults:
        """Wait for the first of these; the first step of the first one at once (``direct_delivery``)."""
        race = super().wait_first
        if not cast(StageTransport, self.transport).direct_delivery:
            return await race(*waits, timeout=timeout)
        return await direct_delivery.wait_first(race, self._has_ended, *waits, timeout=timeout)

    def _has_ended(self) -> bool:
        return self._stopped.is_set() or self._crashed.is_set()

    def _new_consumer_thread(self) -> StageConsumerThread:
        return StageConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """Fetch with a copy of the active partitions, and put back what comes of partitions paused meanwhile.

        Upstream: ``faust/transport/consumer.py``, ``_wait_next_records`` gives the fetch Faust's own set of active
            partitions, which pausing the changelogs empties while the fetch waits. To aiokafka (``fetched_records``) an
            empty set means all partitions.
        Without the override: the fetch takes source records, which Faust then drops as inactive, and reads on behind
            them. The same happens to what a fetch brings that waited through a rebalance: its partitions are paused by
            then, and the seek to the committed offsets may be over.
        Shown by: ``tests/processors/streaming/test_transport.py`` and ``tests/crash/test_rebalance.py``.
        Remove when: Faust gives the fetch a copy, and does not advance a partition past records that it drops.
        """
        if active_partitions is None:
            return await super()._getmany(None, timeout)
        records = await super()._getmany(set(active_partitions), timeout)
        paused = {tp: found for tp, found in records.items() if tp not in active_partitions}
        if paused:
            await self._thread.call_thread(_put_back, self._thread._ensure_consumer(), paused)
        return {tp: found for tp, found in records.items() if tp not in paused}


class StageProducer(driver.Producer):
    """Faust's producer, whose aiokafka producer sends only while the fence lets it."""

    async def append(self, topic: str, partition: int, key: bytes, value: bytes | None) -> asyncio.Future[Any]:
        """Hand a record to aiokafka. Faust's own ``send`` costs four times as much CPU per record.

        Returns:
            A future of the record's metadata (its ``offset``), completed when the broker has the record. aiokafka
            completes the futures of a batch in the order of their offsets. It fails with ``NotOwner`` if the record was
            not sent because the partition may be another worker's.

        Raises:
            KafkaError: aiokafka did not take the record.
        """
        sent: Awaitable[asyncio.Future[Any]] = self._ensure_producer().send(topic, value, key=key, partition=partition)
        return await sent

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        produce_fence.guard(producer, cast(StageTransport, self.transport).fence)
        return producer


class StageTransport(driver.Transport):
    """Makes the consumer and the producer of one app.

    Args:
        app: The app.
        fence: Asked before each produce request.
        direct_delivery: Whether records are delivered without a task each (``direct_delivery``).
    """

    Consumer: ClassVar[type[StageConsumer]] = StageConsumer
    Producer: ClassVar[type[StageProducer]] = StageProducer

    def __init__(self, app: AppT, fence: GroupMembership, *, direct_delivery: bool) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self.fence = fence
        self.direct_delivery = direct_delivery


def consumer_of(app: AppT) -> StageConsumer:
    """The app's consumer."""
    return cast(StageConsumer, app.consumer)


def producer_of(app: AppT) -> StageProducer:
    """The app's producer."""
    return cast(StageProducer, app.producer)


async def _put_back(client: KafkaClient, fetched: Mapping[TP, Sequence[FetchedRecord]]) -> None:
    """Seek each partition back to its first dropped record, so that those records are fetched again."""
    assignment = assignment_of(client)
    for partition, records in fetched.items():
        if assignment is not None and partition in assignment.tps:
            state = assignment.state_value(partition)
            # a position at or before the first record was sought meanwhile, to the committed offset: it stays
            if state.has_valid_position and state.position > records[0].offset:
                client.seek(partition, records[0].offset)


async def _seek_to_beginning(client: KafkaClient, partitions: Sequence[TP]) -> None:
    # aiokafka's seek_to_beginning leaves them without a position for a while, on which Faust's livelock detector fails
    for partition, offset in (await client.beginning_offsets(partitions)).items():
        try:
            client.seek(partition, offset)
        except IllegalStateError as error:  # a rebalance came between, and its end seeks again
            logger.info("%s was lost before it could be read from its beginning: %s", partition, error)
