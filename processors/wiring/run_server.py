"""Runs a role that is an asyncio server until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import uvloop

from processors.settings.model import Settings
from processors.wiring.ready_file import announce_ready

OpenServer = Callable[[], AbstractAsyncContextManager[str]]
"""Opens the role; the context manager gives the address at which the role serves, and closes it."""


def run_server(settings: Settings, open_server: OpenServer) -> None:
    """Open the role, announce that it is ready, and close it on SIGTERM or Ctrl-C.

    Raises:
        Exception: Whatever ends the role by itself.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_until_stopped(settings, open_server))


async def _run_until_stopped(settings: Settings, open_server: OpenServer) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_server() as address:
        announce_ready(settings.ready_file, address)
        await stop.wait()
