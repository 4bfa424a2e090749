"""Running a role that is an asyncio server: until SIGTERM or Ctrl-C, then an orderly end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import uvloop

from processors.local.parent_watch import announce_ready
from processors.settings.model import Settings

Serving = Callable[[], AbstractAsyncContextManager[str]]
"""Opens the role; gives where it serves."""


def run_role(settings: Settings, serving: Serving) -> None:
    """Open the role, say that it is ready, and close it when told to stop. Raises what ends the role by itself."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(settings, serving))


async def _until_stopped(settings: Settings, serving: Serving) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving() as where:
        announce_ready(settings.ready_file, where)
        await stop.wait()
