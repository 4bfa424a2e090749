"""Runs a world on a clock: does what is due, hands webhooks to the courier, and carries their answers back."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType

from connectors.simulator.clock import SimulatorClock, SimulatorManualClock
from connectors.simulator.model.twilio import SimulatedTwilio
from connectors.simulator.webhooks.client import WebhookClient
from connectors.simulator.webhooks.outbox import INBOUND
from connectors.simulator.webhooks.payloads import WebhookDelivery, WebhookResponse
from connectors.simulator.webhooks.twiml import readable, reply_texts

_GRAIN = timedelta(milliseconds=1)


class Engine:
    """One timer for the whole world: it is set to the next thing due, and again whenever somebody stirs."""

    def __init__(self, world: SimulatedTwilio, clock: SimulatorClock) -> None:
        self._world = world
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._rings: datetime | None = None
        self.courier = WebhookClient(self._posted, world.settings.callback_concurrency)

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

    # --- on a manual clock ----------------------------------------------------------------------------------------

    async def advance(self, by: timedelta) -> None:
        """Let this much time pass on a manual clock."""
        until = self._clock.now() + by
        await self._run(lambda due: due <= until)
        self._manual().set(until)

    async def settle(self) -> None:
        """Let time pass on a manual clock until nothing is due any more."""
        await self._run(lambda _due: True)

    async def _run(self, wanted: Callable[[datetime], bool]) -> None:
        clock = self._manual()
        await self._stirred()
        while (due := self._world.next_due()) is not None and wanted(due):
            clock.set(due)
            await self._stirred()

    async def _stirred(self) -> None:
        self.stir()
        await self.courier.idle()
        if self.courier.failure is not None:
            raise self.courier.failure

    def _manual(self) -> SimulatorManualClock:
        if not isinstance(self._clock, SimulatorManualClock):
            raise TypeError("only a ManualClock can be moved")
        return self._clock

    # --- on any clock ---------------------------------------------------------------------------------------------

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

    def _posted(self, delivery: WebhookDelivery, reply: WebhookResponse) -> None:
        said: list[str] = []
        if delivery.topic in INBOUND and reply.kind == "ok":
            said = reply_texts(reply.body)
            reply = reply if readable(reply.body) else WebhookResponse("twiml")
        self._world.posted(delivery, reply, said, self._clock.now())
        self.stir()
