"""One heap for everything that is to happen later."""

from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush
from itertools import count
from typing import Any

ScheduledAction = Callable[..., None]


class Scheduler:
    """Actions ordered by their time; those of one instant in the order they were added."""

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, int, ScheduledAction, tuple[Any, ...]]] = []
        # The number breaks ties, so that heapq never compares two actions.
        self._numbers = count()

    def at(self, when: datetime, action: ScheduledAction, *args: Any) -> None:
        """Call ``action(*args, when)`` once ``when`` is reached."""
        heappush(self._entries, (when, next(self._numbers), action, args))

    def next_due(self) -> datetime | None:
        """The time of the earliest action, or None if there is none."""
        return self._entries[0][0] if self._entries else None

    def run_due(self, now: datetime) -> None:
        """Run every action due by ``now``, each with its own time; also those that the actions themselves add."""
        while self._entries and self._entries[0][0] <= now:
            when, _number, action, args = heappop(self._entries)
            action(*args, when)

    def clear(self) -> None:
        """Forget every action."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
