"""Two repairs of Faust 0.15.3, without which records are passed over after a table was restored or at a rebalance.

1. After a recovery Faust resumes the source partitions first, then seeks them back to the committed offsets and *then*
   empties the streams' queues (``faust/tables/recovery.py``: ``on_recovery_completed``, ``_resume_streams``). What a
   running fetcher puts into a queue between the last two steps is thrown away. Here they are resumed last.
2. A fetch that waits is given Faust's own set of active partitions, which pausing the changelogs empties; to aiokafka
   an empty set means all partitions, so that the fetch takes source records, which Faust then drops as inactive. Here
   a fetch gets a copy.

Nothing reads such records again: commits stop at the gap or, where nothing was committed yet, pass over it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from faust.tables.recovery import Recovery
from faust.transport.consumer import ThreadDelegateConsumer

Resume = Callable[..., Awaitable[None]]
Fetch = Callable[..., Awaitable[Any]]


def install() -> None:
    """Repair Faust. Once per process; calling again does nothing."""
    if not hasattr(Recovery, "smsflow_repaired"):
        Recovery.on_recovery_completed = _partitions_last(Recovery.on_recovery_completed)
        Recovery._resume_streams = _partitions_last(Recovery._resume_streams)
        ThreadDelegateConsumer._getmany = _of_a_copy(ThreadDelegateConsumer._getmany)
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
        return await fetch(self, None if active_partitions is None else set(active_partitions), timeout)

    return repaired
