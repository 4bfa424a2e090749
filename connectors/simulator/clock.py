"""The simulator's time: the wall clock in a running simulator, a clock that tests move in tests."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class SimulatedClock(Protocol):
    """The time of a simulator."""

    def now(self) -> datetime:
        """The current instant, UTC."""

    async def sleep(self, delay: timedelta) -> None:
        """Return once the clock has moved on by ``delay``."""

    def call_at(self, when: datetime, callback: Callable[[], None], /) -> asyncio.TimerHandle | None:
        """Call ``callback`` at ``when``; a clock that moves only by hand never does, and returns None."""


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, UTC."""
        return datetime.now(UTC)

    async def sleep(self, delay: timedelta) -> None:
        """Sleep for ``delay``."""
        await asyncio.sleep(delay.total_seconds())

    def call_at(self, when: datetime, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call ``callback`` on the running event loop at ``when``, at once if that is past."""
        delay = max(0.0, (when - self.now()).total_seconds())
        return asyncio.get_running_loop().call_later(delay, callback)


class SteppedClock:
    """A clock that stands still until ``move_to`` is called, which also ends every sleep that is over by then."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []
        self._has_sleeper = asyncio.Event()

    def now(self) -> datetime:
        """The instant the clock was last moved to, UTC."""
        return self._now

    def move_to(self, now: datetime) -> None:
        """Move to ``now``; an earlier instant changes nothing."""
        self._now = max(self._now, now)
        for when, sleeper in self._sleepers:
            if when <= self._now and not sleeper.done():
                sleeper.set_result(None)
        self._sleepers = [entry for entry in self._sleepers if not entry[1].done()]
        if not self._sleepers:
            self._has_sleeper.clear()

    async def sleep(self, delay: timedelta) -> None:
        """Return once the clock was moved on by ``delay``."""
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + delay, sleeper))
        self._has_sleeper.set()
        await sleeper

    async def wait_for_sleeper(self) -> None:
        """Return once a task sleeps on this clock."""
        await self._has_sleeper.wait()

    def call_at(self, _when: datetime, _callback: Callable[[], None]) -> None:
        """Do nothing: whoever moves this clock calls ``Engine.run_due`` too."""
