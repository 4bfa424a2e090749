"""What a partition's tick does beside sending: limits are saved, and intents nobody can ask for any more go."""

from __future__ import annotations

from collections import Counter

from processors.core.sender.dispatch_queue import DispatchQueue
from processors.sender.tables import SenderTables
from schemas.ports import Clock

SAVE_EVERY_S = 1.0
LOOKS_PER_INTENT = 2
"""Each new intent pays for a look at two old ones: so the table never holds more than twice what it must."""
MOST_LOOKS = 500


class Housekeeper:
    """Keeps the tables of the owned partitions small and their limits current."""

    def __init__(self, tables: SenderTables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._saved_at: dict[int, float] = {}
        self._looks: Counter[int] = Counter()
        self._cursors: dict[int, str] = {}

    def marked(self, partition: int) -> None:
        """An intent was made."""
        self._looks[partition] += LOOKS_PER_INTENT

    async def keep(self, partition: int, desk: DispatchQueue) -> None:
        """To be called at each tick; works about once a second."""
        elapsed = self._clock.elapsed()
        if elapsed - self._saved_at.get(partition, elapsed - SAVE_EVERY_S) < SAVE_EVERY_S:
            return
        self._saved_at[partition] = elapsed
        limits = desk.unsaved(self._clock.now())
        if limits:
            await self._tables.save_limits(limits)
        await self.prune(partition)

    async def prune(self, partition: int) -> None:
        """Look at some intents, in turn, and delete those past their time."""
        looks = min(1 + self._looks[partition], MOST_LOOKS)
        self._looks[partition] = max(0, self._looks[partition] - looks)
        seen = self._tables.intents(partition, self._cursors.get(partition, ""), looks)
        self._cursors[partition] = seen[-1].attempt_id if len(seen) == looks else ""
        now = self._clock.now()
        old = [intent for intent in seen if intent.keep_until < now]
        if old:
            await self._tables.forget(old)
