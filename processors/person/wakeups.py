"""The person stage's work on time: a tick handles the wake-ups that are due."""

from __future__ import annotations

from functools import partial

from processors.person.decision_runner import DecisionRunner
from processors.person.dependencies import PersonDeps
from processors.person.housekeeping import PersonHousekeeper
from processors.streaming.kafka_message import KafkaEvent
from processors.streaming.ordered_acks import wait_for_all
from processors.streaming.ownership import ensure_owned

BATCH = 200
"""Wake-ups of one partition that are handled at once; the next ones follow when these have ended."""


class WakeUpRunner:
    """Handles the ticks of the person stage.

    Args:
        deps: What the stage works with.
        decisions: Handles the wake-ups.
        housekeeper: Looks through the messages table.
    """

    def __init__(self, deps: PersonDeps, decisions: DecisionRunner, housekeeper: PersonHousekeeper) -> None:
        self._deps = deps
        self._clock = deps.ports.clock
        self._decisions = decisions
        self._housekeeper = housekeeper

    async def tick(self, event: KafkaEvent) -> None:
        """Handle what is due in the event's partition, then do the partition's housekeeping.

        Raises:
            PartitionLost: The partition is another worker's.
            ChangelogWriteFailed: Something may not be saved.
            PublishError: Something may not be published.
        """
        while await self._run_due(event):
            pass
        await self._housekeeper.run(event.message)

    async def _run_due(self, event: KafkaEvent) -> bool:
        """Handle one batch. Returns whether there may be more."""
        await ensure_owned(self._deps.fence, event.message)
        due = self._deps.tables.due_wake_ups(event.message.partition, self._clock.now(), BATCH)
        run_local, run_wake_up = self._deps.acks.run_local, self._decisions.run_wake_up
        await wait_for_all(run_local(one.wake_up.person.encode(), partial(run_wake_up, one, event)) for one in due)
        return len(due) == BATCH
