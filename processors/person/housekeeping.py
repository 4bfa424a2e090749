"""What a tick of the person stage does beside wake-ups: a slow look at every message in the table.

A message that finished long ago is deleted. A message that never finished gets a wake-up, which ends it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from processors.core.person import lifecycle
from processors.person.dependencies import PersonDeps
from processors.person.tables import is_deletable
from processors.streaming.kafka_message import KafkaMessage
from processors.streaming.ordered_acks import Job, wait_for_all
from processors.streaming.ownership import ensure_owned
from schemas.states import MessageState

ROWS = 50
"""Messages that are read at once."""
EVERY = timedelta(seconds=1)
"""Between two reads."""
REST = timedelta(hours=1)
"""Between the end of the table and its beginning. Until then a partition reads ``ROWS`` messages a second."""


class PersonHousekeeper:
    """Looks through the ``messages`` table of the owned partitions."""

    def __init__(self, deps: PersonDeps) -> None:
        self._clock = deps.ports.clock
        self._timing = deps.ports.policy.timing
        self._tables = deps.tables
        self._acks = deps.acks
        self._fence = deps.fence
        self._next_reads: dict[int, tuple[datetime, bytes]] = {}

    async def run(self, message: KafkaMessage) -> None:
        """Read the next messages of the partition and act on them. Does nothing if the next read is not due.

        Raises:
            PartitionLost: The partition is another worker's.
            ChangelogWriteFailed: Something may not be saved.
        """
        partition, now = message.partition, self._clock.now()
        due_at, cursor = self._next_reads.get(partition, (now, b""))
        if now < due_at:
            return
        states, last = self._tables.scan_messages(partition, cursor, ROWS)
        self._next_reads[partition] = (now + REST, b"") if last is None else (now + EVERY, last)
        await ensure_owned(self._fence, message)
        jobs = [(state.request.to, job) for state in states if (job := self._job(state, partition, now)) is not None]
        await wait_for_all(self._acks.run_local(person.encode(), job) for person, job in jobs)

    def _job(self, state: MessageState, partition: int, now: datetime) -> Job | None:
        """What is to be done about a message, if anything."""
        before = now - self._timing.message_window
        if is_deletable(state, before):
            return partial(self._tables.delete_message, partition, state.request.to, state.message_id, before)
        if lifecycle.is_overdue(state, self._timing, now):
            # a wake-up in the schedule, so that a crash cannot lose what it publishes
            return partial(self._tables.schedule, state, now)
        return None
