"""Time as the simulator sees it: the wall clock in a running simulator, a hand-set one in tests."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class SimulatorClock(Protocol):
    """What the server needs from time; the world itself only ever gets `now` as an argument."""

    def now(self) -> datetime:
        """The present instant, UTC."""

    async def sleep(self, delay: timedelta) -> None:
        """Return once the clock has moved by `delay`."""

    def alarm(self, when: datetime, ring: Callable[[], None], /) -> asyncio.TimerHandle | None:
        """Ring by itself at `when`; None from a clock that only moves when it is told to."""


class SimulatorSystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, delay: timedelta) -> None:
        await asyncio.sleep(delay.total_seconds())

    def alarm(self, when: datetime, ring: Callable[[], None]) -> asyncio.TimerHandle:
        delay = max(0.0, (when - self.now()).total_seconds())
        return asyncio.get_running_loop().call_later(delay, ring)


class SimulatorManualClock:
    """Stands still until set; whoever sleeps on it wakes when it has passed their instant."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []
        self._asleep = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """Move to `now`; never backwards."""
        self._now = max(self._now, now)
        for when, sleeper in self._sleepers:
            if when <= self._now and not sleeper.done():
                sleeper.set_result(None)
        self._sleepers = [entry for entry in self._sleepers if not entry[1].done()]
        if not self._sleepers:
            self._asleep.clear()

    async def sleep(self, delay: timedelta) -> None:
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + delay, sleeper))
        self._asleep.set()
        await sleeper

    async def slept_on(self) -> None:
        """Return once somebody sleeps on this clock."""
        await self._asleep.wait()

    def alarm(self, _when: datetime, _ring: Callable[[], None]) -> None:
        """Never rings: whoever moves this clock stirs the engine too."""
