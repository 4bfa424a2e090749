"""Runs a world on a clock: does what is due, hands webhooks to the courier, and carries their answers back."""

import asyncio
from datetime import datetime, timedelta
from types import TracebackType

from connectors.simulator.callbacks import Delivery, Reply
from connectors.simulator.clock import Clock
from connectors.simulator.courier import Courier
from connectors.simulator.twiml import texts
from connectors.simulator.world import World

_GRAIN = timedelta(milliseconds=1)


class Engine:
    """One timer for the whole world: it is set to the next thing due, and again whenever somebody stirs."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._rings: datetime | None = None
        self.courier = Courier(self._posted, world.settings.callback_concurrency)

    async def __aenter__(self) -> "Engine":
        await self.courier.__aenter__()
        self.stir()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self.courier.__aexit__(kind, error, trace)

    def stir(self) -> None:
        """Do what is due now, and wake up for what is due next."""
        for delivery in self._world.advance(self._clock.now()):
            self.courier.submit(delivery)
        self._arm(self._world.next_due())

    def _arm(self, due: datetime | None) -> None:
        if due is None or (self._rings is not None and self._rings <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._rings = due + _GRAIN
        self._timer = self._clock.alarm(self._rings, self._ring)

    def _ring(self) -> None:
        self._rings = None
        self.stir()

    def _posted(self, delivery: Delivery, reply: Reply) -> None:
        said = texts(reply.body) if delivery.topic == "received" and reply.kind == "ok" else []
        self._world.posted(delivery, reply, said, self._clock.now())
        self.stir()
