"""Where time comes from: the system, or a test's hand. Both keep ``schemas.ports.Clock``."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

# Linux alone counts the time a machine was suspended: a worker that slept must see that its time has passed.
_CLOCK_ID = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, UTC, in whole milliseconds."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def elapsed(self) -> float:
        """Seconds on a clock that never jumps and, on Linux, counts suspended time."""
        return time.clock_gettime(_CLOCK_ID)


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._now = now
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The wall clock, as it was set."""
        return self._now

    def elapsed(self) -> float:
        """Seconds by which the clock was advanced."""
        return self._elapsed

    def advance(self, by: timedelta) -> None:
        """Let this much time pass on both clocks."""
        self._now += by
        self._elapsed += by.total_seconds()

    def set_wall(self, now: datetime) -> None:
        """Jump the wall clock alone, as a correction of the system's time does."""
        self._now = now
