"""Runs a stage's app as a process: until a signal drains it, or until something breaks."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import faust
import uvloop
from mode.types import ServiceT

from processors.streaming.fail_stop import fail_stop

STOP_TIMEOUT_S = 60.0
"""Seconds between SIGTERM and giving up on a drain: more than the longest step takes, less than a supervisor waits."""


class _Worker(faust.Worker):
    """Faust's worker, but a drain that hangs ends."""

    def _schedule_shutdown(self, received: signal.Signals) -> None:
        self.loop.call_later(STOP_TIMEOUT_S, fail_stop, f"not drained {STOP_TIMEOUT_S:g} s after {received.name}")
        super()._schedule_shutdown(received)


def run_worker(app: faust.App, loglevel: str | int = "info", services: Sequence[ServiceT] = ()) -> NoReturn:
    """Run until SIGTERM or SIGINT drains the app (exit code 0) or until something breaks (1).

    Args:
        app: The app to run.
        loglevel: Faust's own log level. Logging stays as it is set up.
        services: Services of mode's that start and stop with the app.

    Raises:
        SystemExit: Always, with the exit code.
    """
    Path(str(app.conf.datadir)).mkdir(parents=True, exist_ok=True)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # the consumer's thread makes its own loop, by the policy
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = _Worker(
        app, *services, loglevel=loglevel, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True
    )
    worker.spinner = None  # it writes escape sequences to standard output
    worker.execute_from_commandline()
    raise AssertionError("execute_from_commandline does not return")
