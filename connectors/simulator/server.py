"""The simulator as a server: `serve` for the command line, `Simulator` for tests and demos."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Any

from aiohttp import web

from connectors.simulator.api import Api
from connectors.simulator.clock import Clock, SystemClock
from connectors.simulator.conditions import Conditions
from connectors.simulator.control import Control, explain
from connectors.simulator.engine import Engine
from connectors.simulator.faults import Faults
from connectors.simulator.journal import Journal
from connectors.simulator.settings import Account, SimulatorSettings
from connectors.simulator.world import World


def create_app(world: World, *, clock: Clock, faults: Faults, engine: Engine) -> web.Application:
    """Twilio's API and ours over one world; the engine runs as long as the application does."""
    api = Api(world, faults, clock, engine)
    control = Control(world, faults, clock, engine, api)
    app = web.Application(middlewares=[explain])
    conditions = Conditions(world, clock, engine)
    app.add_routes([*api.routes(), *control.routes(), *conditions.routes()])

    async def running(_app: web.Application) -> AsyncIterator[None]:
        async with engine:
            yield

    app.cleanup_ctx.append(running)
    return app


async def serve(
    settings: SimulatorSettings, ready: Callable[[str], None] = lambda _url: None, clock: Clock | None = None
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
        self, settings: SimulatorSettings | None = None, *, clock: Clock | None = None, **changes: Any
    ) -> None:
        self.settings = replace(settings or SimulatorSettings(), **changes)
        self.clock = clock or SystemClock()
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
        app = create_app(self.world, clock=self.clock, faults=self.faults, engine=self.engine)
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

    def _open_world(self) -> World:
        if self.settings.ledger_path is None:
            return World(self.settings)
        journal = Journal(self.settings.ledger_path)
        self._stack.callback(journal.close)
        world = World(self.settings, record=journal.record)
        world.store.load(journal.facts())
        world.resume(self.clock.now())
        return world

    async def advance(self, by: timedelta) -> None:
        """Let this much time pass on a manual clock."""
        await self.engine.advance(by)

    async def settle(self) -> None:
        """Let time pass on a manual clock until nothing is due any more."""
        await self.engine.settle()
