"""Keeps several parts running on one machine: started in order, restarted when they die, stopped in reverse.

A successor is started only when its predecessor is dead: two processes must never share a static group membership.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

logger = logging.getLogger(__name__)

POLL_S = 0.05
READY_TIMEOUT_S = 60.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0
"""A part that ran this long has earned a quick restart again."""


class StartError(Exception):
    """A part did not come up; the text says which, why, and where its log is."""


class SupervisedProcess(Protocol):
    """One thing to keep running."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    def start(self) -> None:
        """Begin; need not wait until it serves. Raises StartError."""
        ...

    def ready(self) -> str | None:
        """Where it serves, or None as long as it does not."""
        ...

    def alive(self) -> bool:
        """Whether it runs."""
        ...

    def stop(self) -> None:
        """End it in order, by force after a time; nothing of it is left when this returns."""
        ...

    def obituary(self) -> str:
        """Why it ended, for a person to read: status, last words, where to read more."""
        ...


@dataclass(slots=True)
class _Supervised:
    part: SupervisedProcess
    started_at: float
    falls: int = 0
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """``show`` is told what a person would like to know; time is injected for tests."""

    show: Callable[[str], None]
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _kept: list[_Supervised] = field(default_factory=list)

    def start(self, *parts: SupervisedProcess) -> None:
        """Start these together and wait until all serve. Raises StartError; what runs then is stopped by `stop`."""
        began = self.elapsed()
        for part in parts:
            self._kept.append(_Supervised(part, self.elapsed()))
            part.start()
        for part in parts:
            where = self._await_ready(part, began + READY_TIMEOUT_S)
            self.show(f"{part.name} ready on {where} ({self.elapsed() - began:.1f} s)")

    def watch(self) -> None:
        """Look once at every part: restart what died, after a pause that grows with every fall."""
        for kept in self._kept:
            if kept.restart_at is not None:
                self._restart_when_due(kept)
            elif not kept.part.alive():
                self._note_fall(kept)

    def stop(self) -> None:
        """Stop all in reverse order; a part that fails to stop does not keep the others running."""
        failures: list[Exception] = []
        while self._kept:
            part = self._kept.pop().part
            began = self.elapsed()
            try:
                part.stop()
            except Exception as error:  # noqa: BLE001  raised below, when every other part is stopped
                failures.append(error)
            else:
                self.show(f"{part.name} stopped ({self.elapsed() - began:.1f} s)")
        if failures:
            raise ExceptionGroup("not everything could be stopped", failures)

    def names(self) -> Sequence[str]:
        """What is kept running, in the order of starting."""
        return [kept.part.name for kept in self._kept]

    def _await_ready(self, part: SupervisedProcess, deadline: float) -> str:
        while (where := part.ready()) is None:
            if not part.alive():
                raise StartError(f"{part.name} ended before it was ready: {part.obituary()}")
            if self.elapsed() > deadline:
                raise StartError(f"{part.name} is not ready after {READY_TIMEOUT_S:g} s: {part.obituary()}")
            self.sleep(POLL_S)
        return where

    def _note_fall(self, kept: _Supervised) -> None:
        if self.elapsed() - kept.started_at > HEALTHY_AFTER_S:
            kept.falls = 0
        pause = min(FIRST_PAUSE_S * 2**kept.falls, LONGEST_PAUSE_S)
        kept.falls += 1
        kept.restart_at = self.elapsed() + pause
        self.show(f"{kept.part.name} died: {kept.part.obituary()}; again in {pause:g} s")

    def _restart_when_due(self, kept: _Supervised) -> None:
        assert kept.restart_at is not None
        if self.elapsed() < kept.restart_at:
            return
        kept.restart_at, kept.started_at = None, self.elapsed()
        with suppress(StartError):  # then it is not alive, and the next look notes that with its reason
            kept.part.start()
