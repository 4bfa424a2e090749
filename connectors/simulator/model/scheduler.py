"""What is to happen when: one heap for everything that waits."""

from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from itertools import count
from typing import Any

Deed = Callable[..., None]


class Scheduler:
    """Deeds by their time; those of one instant in the order they were entered."""

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, int, Deed, tuple[Any, ...]]] = []
        self._numbers = count()

    def at(self, when: datetime, deed: Deed, *args: Any) -> None:
        """Call `deed(*args, when)` when its time has come."""
        heappush(self._entries, (when, next(self._numbers), deed, args))

    def next_due(self) -> datetime | None:
        """The earliest time in the agenda, or None if it is empty."""
        return self._entries[0][0] if self._entries else None

    def run(self, now: datetime) -> None:
        """Do everything due by `now`, each at its own time, what these deeds enter included."""
        while self._entries and self._entries[0][0] <= now:
            when, _number, deed, args = heappop(self._entries)
            deed(*args, when)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
