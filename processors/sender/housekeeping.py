"""What a tick of the sender stage does beside dispatching: it saves limits and deletes old intents."""

from __future__ import annotations

from collections import Counter

from processors.core.sender.dispatch_queue import DispatchQueue
from processors.sender.dependencies import SenderDeps

SAVE_EVERY_S = 1.0
READS_PER_INTENT = 2
"""Old intents that are read for each new one. So the table never has more than twice the intents it must have."""
MAX_READS = 500
"""Intents read at once."""


class SenderHousekeeper:
    """Saves the limits of the owned partitions and keeps their ``attempts`` table small."""

    def __init__(self, deps: SenderDeps) -> None:
        self._tables = deps.tables
        self._clock = deps.ports.clock
        self._saved_at: dict[int, float] = {}
        self._reads_due: Counter[int] = Counter()
        self._cursors: dict[int, str] = {}

    def intent_saved(self, partition: int) -> None:
        """Count a new intent: it pays for a look at old ones."""
        self._reads_due[partition] += READS_PER_INTENT

    async def run(self, partition: int, queue: DispatchQueue) -> None:
        """Save the limits that changed, and delete old intents. Does nothing if it did so less than a second ago.

        Raises:
            ChangelogWriteFailed: The broker may not have all of it.
        """
        elapsed = self._clock.elapsed()
        if elapsed - self._saved_at.get(partition, elapsed - SAVE_EVERY_S) < SAVE_EVERY_S:
            return
        self._saved_at[partition] = elapsed
        limits = queue.take_dirty_limits(self._clock.now())
        if limits:
            await self._tables.save_limits(limits)
        await self.delete_old_intents(partition)

    async def delete_old_intents(self, partition: int) -> None:
        """Read some intents, going on where the last call ended, and delete those past their time.

        Raises:
            ChangelogWriteFailed: The broker may not have all of it.
        """
        reads = min(1 + self._reads_due[partition], MAX_READS)
        self._reads_due[partition] = max(0, self._reads_due[partition] - reads)
        found = self._tables.scan_intents(partition, self._cursors.get(partition, ""), reads)
        self._cursors[partition] = found[-1].attempt_id if len(found) == reads else ""
        now = self._clock.now()
        old = [intent for intent in found if intent.delete_after < now]
        if old:
            await self._tables.delete_intents(old)
