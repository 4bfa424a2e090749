"""Keeps several processes running on one machine: started in order, restarted when they end, stopped in reverse order.

A process is started again only after its predecessor has ended: two live processes must never share a static group
membership of Kafka's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from schemas.backoff import backoff_delay

POLL_S = 0.05
READY_TIMEOUT_S = 60.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0
"""A process that ran this long starts its back-off anew when it ends."""


class StartError(Exception):
    """A process did not come up; the text says which one, why, and where its log is."""


class SupervisedProcess(Protocol):
    """One thing to be kept running."""

    @property
    def name(self) -> str:
        """The name for people."""
        ...

    def start(self) -> None:
        """Start; need not wait until it serves.

        Raises:
            StartError: It cannot be started.
        """
        ...

    def ready(self) -> str | None:
        """The address at which it serves, or None as long as it does not."""
        ...

    def alive(self) -> bool:
        """Whether it runs."""
        ...

    def stop(self) -> None:
        """End it in order, by force after a time; nothing of it runs when this returns."""
        ...

    def exit_report(self) -> str:
        """Why it ended, for people: the exit status and the end of the log."""
        ...


@dataclass(slots=True)
class _Supervised:
    process: SupervisedProcess
    started_at: float
    failures: int = 0
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Starts, watches and stops processes.

    Args:
        on_progress: Called with each line a person should read.
        elapsed: Seconds of a clock that never goes back.
        sleep: Waits for a number of seconds.
    """

    on_progress: Callable[[str], None]
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _supervised: list[_Supervised] = field(default_factory=list)

    def start(self, *processes: SupervisedProcess) -> None:
        """Start these together and wait until all of them serve.

        Raises:
            StartError: One did not come up. Those that run are stopped by ``stop``.
        """
        began = self.elapsed()
        for process in processes:
            self._supervised.append(_Supervised(process, self.elapsed()))
            process.start()
        for process in processes:
            address = self._await_ready(process, began + READY_TIMEOUT_S)
            self.on_progress(f"{process.name} ready on {address} ({self.elapsed() - began:.1f} s)")

    def watch(self) -> None:
        """Look at every process once: one that ended is started again, after a pause that grows with its failures."""
        for supervised in self._supervised:
            if supervised.restart_at is not None:
                self._restart_when_due(supervised)
            elif not supervised.process.alive():
                self._schedule_restart(supervised)

    def stop(self) -> None:
        """Stop all processes in reverse order.

        Raises:
            ExceptionGroup: Some could not be stopped; all others are.
        """
        failures: list[Exception] = []
        while self._supervised:
            process = self._supervised.pop().process
            began = self.elapsed()
            try:
                process.stop()
            except Exception as error:  # noqa: BLE001  raised below, when every other process is stopped
                failures.append(error)
            else:
                self.on_progress(f"{process.name} stopped ({self.elapsed() - began:.1f} s)")
        if failures:
            raise ExceptionGroup("not everything could be stopped", failures)

    def _await_ready(self, process: SupervisedProcess, deadline: float) -> str:
        while (address := process.ready()) is None:
            if not process.alive():
                raise StartError(f"{process.name} ended before it was ready: {process.exit_report()}")
            if self.elapsed() > deadline:
                raise StartError(f"{process.name} is not ready after {READY_TIMEOUT_S:g} s: {process.exit_report()}")
            self.sleep(POLL_S)
        return address

    def _schedule_restart(self, supervised: _Supervised) -> None:
        if self.elapsed() - supervised.started_at > HEALTHY_AFTER_S:
            supervised.failures = 0
        supervised.failures += 1
        pause = backoff_delay(FIRST_PAUSE_S, LONGEST_PAUSE_S, supervised.failures)
        supervised.restart_at = self.elapsed() + pause
        process = supervised.process
        self.on_progress(f"{process.name} ended: {process.exit_report()}; starting it again in {pause:g} s")

    def _restart_when_due(self, supervised: _Supervised) -> None:
        assert supervised.restart_at is not None
        if self.elapsed() < supervised.restart_at:
            return
        supervised.restart_at, supervised.started_at = None, self.elapsed()
        with suppress(StartError):  # the process is not alive then: the next ``watch`` reports why
            supervised.process.start()
