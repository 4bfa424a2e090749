"""The person stage's work on time: what is due in the schedule, and forgetting what ended long ago."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from processors.core.person import lifecycle
from processors.core.person.decide import message_id_needed
from processors.core.person.decision import NO_SOURCE, Decision, PersonState, WakeUp
from processors.person.dependencies import PersonDeps, encode, ensure_owned, save_and_publish
from processors.person.tables import Due, droppable
from processors.streaming.kafka_message import KafkaEvent
from processors.streaming.ordered_acks import Job, PartitionLost
from schemas.states import MessageState

logger = logging.getLogger(__name__)

AT_ONCE = 200
"""Wake-ups of one partition handled together; the next ones follow when these are done."""
AGAIN_AFTER = timedelta(minutes=1)
"""When a wake-up comes again that failed, or that changed nothing about a message that waits for just that time."""
SWEEP_ROWS = 50
SWEEP_EVERY = timedelta(seconds=1)
SWEEP_REST = timedelta(hours=1)
"""Between the end of the messages table and its beginning. A partition's sweep reads 50 rows a second until then."""


class PersonWakeUps:
    """Handles the ticks of the person stage."""

    def __init__(self, parts: PersonDeps) -> None:
        self._parts = parts
        self._sweeps: dict[int, tuple[datetime, bytes]] = {}

    async def tick(self, event: KafkaEvent) -> None:
        """Wake what is due in the event's partition, then sweep on. A lost partition ends it without an error."""
        try:
            while await self._wake_some(event):
                pass
            await self._sweep_some(event)
        except PartitionLost as lost:
            logger.info("tick given up: %s is lost", lost)

    async def _wake_some(self, event: KafkaEvent) -> bool:
        """Whether there may be more."""
        await ensure_owned(self._parts, event.message)
        tables, acks = self._parts.tables, self._parts.acks
        due = tables.due(event.message.partition, self._parts.clock.now(), AT_ONCE)
        await _all(acks.run_local(one.wake.person.encode(), partial(self._wake, event, one)) for one in due)
        return len(due) == AT_ONCE

    async def _wake(self, event: KafkaEvent, due: Due) -> None:
        parts, wake, message = self._parts, due.wake, event.message
        try:
            person, decision = self._decided(wake, message)
            changes, said = parts.tables.changes(person, decision, keep=due.key), encode(parts, decision)
        except Exception:
            logger.exception("no decision on the wake-up of %s: again in %s", wake.message_id, AGAIN_AFTER)
            await ensure_owned(parts, message)
            await parts.tables.postpone(due, parts.clock.now() + AGAIN_AFTER)
            return
        await save_and_publish(parts, message, changes, said)
        waiting = _after(decision, wake) or person.messages.get(wake.message_id)
        await parts.tables.unschedule(due, waiting, parts.clock.now() + AGAIN_AFTER)

    def _decided(self, wake: WakeUp, message: Any) -> tuple[PersonState, Decision]:
        parts = self._parts
        person = parts.tables.load(message.partition, wake.person, message_id_needed(wake))
        return person, parts.decide(wake, person, NO_SOURCE, parts.policy, parts.clock.now())

    async def _sweep_some(self, event: KafkaEvent) -> None:
        """Forget what ended long ago, and end what was never finished: a look at every message, slowly."""
        parts, message, now = self._parts, event.message, self._parts.clock.now()
        next_at, cursor = self._sweeps.get(message.partition, (now, b""))
        if now < next_at:
            return
        rows, last = parts.tables.swept(message.partition, cursor, SWEEP_ROWS)
        self._sweeps[message.partition] = (now + SWEEP_REST, b"") if last is None else (now + SWEEP_EVERY, last)
        await ensure_owned(parts, message)
        jobs = [
            (row.request.to, job) for row in rows if (job := self._sweeping(row, message.partition, now)) is not None
        ]
        await _all(parts.acks.run_local(person.encode(), job) for person, job in jobs)

    def _sweeping(self, row: MessageState, partition: int, now: datetime) -> Job | None:
        """What is to be done about one message, if anything."""
        tables, timing = self._parts.tables, self._parts.policy.timing
        before = now - timing.message_window
        if droppable(row, before):
            return partial(tables.drop, partition, row.request.to, row.message_id, before)
        if lifecycle.is_overdue(row, timing, now):
            return partial(tables.schedule, row, now)  # its wake-up is saved, so that a crash cannot lose what it says
        return None


async def _all(jobs: Iterable[Any]) -> None:
    """Wait for all of them, then raise the first one's error if there is one."""
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for error in errors:
        if not isinstance(error, PartitionLost):
            raise error
    if errors:
        raise errors[0]


def _after(decision: Decision, wake: WakeUp) -> MessageState | None:
    return next((message for message in decision.messages if message.message_id == wake.message_id), None)
