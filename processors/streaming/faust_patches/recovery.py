"""Three repairs of Faust 0.15.3, without which records are passed over after a table was restored or at a rebalance.

1. After a recovery Faust resumes the source partitions first, then seeks them back to the committed offsets and *then*
   empties the streams' queues (``faust/tables/recovery.py``: ``on_recovery_completed``, ``_resume_streams``). What a
   running fetcher puts into a queue between the last two steps is thrown away. Here they are resumed last.
2. A fetch that waits is given Faust's own set of active partitions, which pausing the changelogs empties; to aiokafka
   an empty set means all partitions, so that the fetch takes source records, which Faust then drops as inactive. Here
   a fetch gets a copy. One that waits through a rebalance asks for partitions which are paused by then: what it brings
   of those is put back, for the seeking may be over when it comes.
3. Records that come while the flow is stopped are thrown away, and every partition goes back to its committed offset;
   aiokafka leaves one of which nothing was committed yet where it is, behind what was thrown away. Here it goes back to
   its beginning.

Nothing reads such records again: commits stop at the gap or, where nothing was committed yet, pass over it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiokafka.errors import IllegalStateError
from faust.tables.recovery import Recovery
from faust.transport.consumer import ThreadDelegateConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

logger = logging.getLogger(__name__)

Resume = Callable[..., Awaitable[None]]
Fetch = Callable[..., Awaitable[Any]]
Seek = Callable[[Any], Awaitable[Mapping[Any, int | None]]]


def install() -> None:
    """Repair Faust. Once per process; calling again does nothing."""
    if not hasattr(Recovery, "smsflow_repaired"):
        Recovery.on_recovery_completed = _partitions_last(Recovery.on_recovery_completed)
        Recovery._resume_streams = _partitions_last(Recovery._resume_streams)
        ThreadDelegateConsumer._getmany = _of_a_copy(ThreadDelegateConsumer._getmany)
        AIOKafkaConsumerThread.seek_to_committed = _from_the_beginning(AIOKafkaConsumerThread.seek_to_committed)
        Recovery.smsflow_repaired = True


def _partitions_last(resume: Resume) -> Resume:
    async def repaired(self: Any, generation_id: int = 0) -> None:
        consumer = self.app.consumer
        held_back: set[Any] = set()
        consumer.resume_partitions = held_back.update  # nobody but `resume` calls it meanwhile
        try:
            await resume(self, generation_id)
        finally:
            del consumer.resume_partitions
        if self.app.consumer_generation_id == generation_id:
            consumer.resume_partitions(held_back)

    return repaired


def _of_a_copy(fetch: Fetch) -> Fetch:
    async def repaired(self: Any, active_partitions: set[Any] | None, timeout: float) -> Any:
        if active_partitions is None:
            return await fetch(self, None, timeout)
        records = await fetch(self, set(active_partitions), timeout)
        paused = {tp: found for tp, found in records.items() if tp not in active_partitions}
        if paused:
            await self._thread.call_thread(_put_back, self._thread._ensure_consumer(), paused)
        return {tp: found for tp, found in records.items() if tp not in paused}

    return repaired


async def _put_back(consumer: Any, fetched: Mapping[Any, Sequence[Any]]) -> None:
    """Let these records be fetched again: no partition is read on behind what nobody was given."""
    assignment = consumer._subscription.subscription.assignment
    for partition, records in fetched.items():
        if assignment is not None and partition in assignment.tps:
            state = assignment.state_value(partition)
            if state.has_valid_position and state.position > records[0].offset:  # else it was sought back meanwhile
                consumer.seek(partition, records[0].offset)


def _from_the_beginning(seek: Seek) -> Seek:
    async def repaired(self: Any) -> Mapping[Any, int | None]:
        committed = await seek(self)
        uncommitted = [tp for tp, offset in committed.items() if not offset and not self.consumer._is_changelog_tp(tp)]
        if uncommitted:
            await self.call_thread(_start_over, self._ensure_consumer(), uncommitted)
        return committed

    return repaired


async def _start_over(consumer: Any, partitions: Sequence[Any]) -> None:
    # seek_to_beginning would leave them without a position for a while, which Faust's livelock detector trips over
    for partition, offset in (await consumer.beginning_offsets(partitions)).items():
        try:
            consumer.seek(partition, offset)
        except IllegalStateError as error:  # a rebalance came between; its end seeks anew
            logger.info("%s was lost before it could be read from its beginning: %s", partition, error)
