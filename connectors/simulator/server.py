"""The simulator as a server: `serve` for the command line, `Simulator` for tests and demos."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Any

from aiohttp import web

from connectors.simulator.clock import SimulatorClock, SimulatorSystemClock
from connectors.simulator.http.api import Api
from connectors.simulator.http.control_api import ControlApi, explain
from connectors.simulator.http.control_conditions import ControlConditions
from connectors.simulator.http.engine import Engine
from connectors.simulator.http.journal import Journal
from connectors.simulator.model.faults import Faults
from connectors.simulator.model.settings import Account, SimulationSettings
from connectors.simulator.model.twilio import SimulatedTwilio


def create_simulator(
    world: SimulatedTwilio, *, clock: SimulatorClock, faults: Faults, engine: Engine
) -> web.Application:
    """Twilio's API and ours over one world; the engine runs as long as the application does."""
    api = Api(world, faults, clock, engine)
    control = ControlApi(world, faults, clock, engine, api)
    app = web.Application(middlewares=[explain])
    conditions = ControlConditions(world, clock, engine)
    app.add_routes([*api.routes(), *control.routes(), *conditions.routes()])

    async def running(_app: web.Application) -> AsyncIterator[None]:
        async with engine:
            yield

    app.cleanup_ctx.append(running)
    return app


async def serve_simulator(
    settings: SimulationSettings, ready: Callable[[str], None] = lambda _url: None, clock: SimulatorClock | None = None
) -> None:
    """Run a simulator until cancelled; `ready` is told its base URL once it listens."""
    async with Simulator(settings, clock=clock) as simulator:
        ready(simulator.base_url)
        await asyncio.Event().wait()


class Simulator:
    """A simulator that serves while its context is open.

    `changes` are fields of `SimulatorSettings`. With a `ManualClock` nothing happens until `advance` or `settle` is
    awaited; then everything happens at its exact time, and every webhook has been answered when they return.
    """

    def __init__(
        self, settings: SimulationSettings | None = None, *, clock: SimulatorClock | None = None, **changes: Any
    ) -> None:
        self.settings = replace(settings or SimulationSettings(), **changes)
        self.clock = clock or SimulatorSystemClock()
        self.faults = Faults(self.settings.seed)
        self.base_url = ""
        self._stack = AsyncExitStack()

    @property
    def account(self) -> Account:
        """The first account."""
        return self.settings.accounts[0]

    async def __aenter__(self) -> "Simulator":
        self.world = self._open_world()
        self.engine = Engine(self.world, self.clock)
        app = create_simulator(self.world, clock=self.clock, faults=self.faults, engine=self.engine)
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

    def _open_world(self) -> SimulatedTwilio:
        if self.settings.ledger_path is None:
            return SimulatedTwilio(self.settings)
        journal = Journal(self.settings.ledger_path)
        self._stack.callback(journal.close)
        world = SimulatedTwilio(self.settings, record=journal.record)
        world.store.load(journal.facts())
        world.resume(self.clock.now())
        return world

    async def advance(self, by: timedelta) -> None:
        """Let this much time pass on a manual clock."""
        await self.engine.advance(by)

    async def settle(self) -> None:
        """Let time pass on a manual clock until nothing is due any more."""
        await self.engine.settle()
