"""The simulator as an HTTP server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Any

from aiohttp import web

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.clock import SimulatedClock, WallClock
from connectors.simulator.engine import Engine
from connectors.simulator.http.api import MessagesApi
from connectors.simulator.http.control_api import ControlApi, map_errors
from connectors.simulator.http.control_conditions import ControlConditions
from connectors.simulator.journal import Journal
from connectors.simulator.model.faults import Faults
from connectors.simulator.model.settings import Account, SimulationSettings


def create_simulator(
    twilio: SimulatedTwilio, *, clock: SimulatedClock, faults: Faults, engine: Engine
) -> web.Application:
    """An application with Twilio's Messages API and the control API; it runs the engine while it runs itself."""
    api = MessagesApi(twilio, faults, clock, engine)
    control = ControlApi(twilio, faults, clock, engine, api)
    app = web.Application(middlewares=[map_errors])
    conditions = ControlConditions(twilio, clock, engine)
    app.add_routes([*api.routes(), *control.routes(), *conditions.routes()])

    async def run_engine(_app: web.Application) -> AsyncIterator[None]:
        async with engine:
            yield

    app.cleanup_ctx.append(run_engine)
    return app


class Simulator:
    """A simulator that serves while its context is open.

    With a ``SteppedClock`` nothing happens before ``advance`` or ``settle`` is awaited. Then each step happens at its
    exact time, and every webhook was answered when they return. While the context is open, ``twilio`` is the simulated
    Twilio, ``engine`` runs it, and ``base_url`` is the address.
    """

    def __init__(
        self, settings: SimulationSettings | None = None, *, clock: SimulatedClock | None = None, **changes: Any
    ) -> None:
        """``clock``: the wall clock if None. ``changes``: fields of ``SimulationSettings`` that replace those given."""
        self.settings = replace(settings or SimulationSettings(), **changes)
        self.clock = clock or WallClock()
        self.faults = Faults(self.settings.seed)
        self.base_url = ""
        self._stack = AsyncExitStack()

    @property
    def account(self) -> Account:
        """The first account."""
        return self.settings.accounts[0]

    async def __aenter__(self) -> Simulator:
        self.twilio = self._open_twilio()
        self.engine = Engine(self.twilio, self.clock)
        app = create_simulator(self.twilio, clock=self.clock, faults=self.faults, engine=self.engine)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self.settings.host, self.settings.port).start()
        self.base_url = f"http://{self.settings.host}:{runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _open_twilio(self) -> SimulatedTwilio:
        if self.settings.ledger_path is None:
            return SimulatedTwilio(self.settings)
        journal = Journal(self.settings.ledger_path)
        self._stack.callback(journal.close)
        twilio = SimulatedTwilio(self.settings, journal=journal.append)
        twilio.store.load(journal.entries())
        twilio.resume(self.clock.now())
        return twilio

    async def advance(self, by: timedelta) -> None:
        """Move a ``SteppedClock`` on by ``by``.

        Raises:
            TypeError: The clock is another one.
        """
        await self.engine.advance(by)

    async def settle(self) -> None:
        """Move a ``SteppedClock`` on until nothing is due any more.

        Raises:
            TypeError: The clock is another one.
        """
        await self.engine.settle()
