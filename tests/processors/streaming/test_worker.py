from __future__ import annotations

import asyncio
import signal
from typing import Any

import faust
import pytest

from processors.streaming import worker
from processors.streaming.fail_stop import fail_stop
from processors.streaming.worker import STOP_TIMEOUT_S
from tests.processors.streaming.conftest import BuildApp


class Loop:
    """Notes what is to be called later."""

    def __init__(self) -> None:
        self.later: list[tuple[Any, ...]] = []

    def call_later(self, *call: Any) -> None:
        self.later.append(call)


async def test_a_drain_that_hangs_ends_after_its_time(build_app: BuildApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust waits without end for events in hand; a supervisor would kill the worker without a line in its log."""
    scheduled: list[signal.Signals] = []
    monkeypatch.setattr(faust.Worker, "_schedule_shutdown", lambda _self, received: scheduled.append(received))
    loop = Loop()
    running = worker._Worker(build_app(), loop=asyncio.get_running_loop(), override_logging=False)
    monkeypatch.setattr(running, "loop", loop)

    running._schedule_shutdown(signal.SIGTERM)

    assert scheduled == [signal.SIGTERM]
    assert loop.later == [(STOP_TIMEOUT_S, fail_stop, "not drained 60 s after SIGTERM")]
