"""Runs a simulated Twilio on a clock: does what is due, posts its webhooks, and reports their responses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.clock import SimulatedClock, SteppedClock
from connectors.simulator.webhooks.client import WebhookClient
from connectors.simulator.webhooks.outbox import INBOUND_EVENTS
from connectors.simulator.webhooks.payloads import WebhookDelivery, WebhookResponse
from connectors.simulator.webhooks.twiml import is_twiml, reply_texts

_TIMER_SLACK = timedelta(milliseconds=1)


class Engine:
    """One timer for everything that is due, while its context is open.

    The timer is set to the next due action, and set again by every ``run_due``.
    """

    def __init__(self, twilio: SimulatedTwilio, clock: SimulatedClock) -> None:
        self._twilio = twilio
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: datetime | None = None
        self.webhook_client = WebhookClient(self._on_result, twilio.settings.callback_concurrency)

    async def __aenter__(self) -> Engine:
        await self.webhook_client.__aenter__()
        self.run_due()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self.webhook_client.__aexit__(kind, error, trace)

    def run_due(self) -> None:
        """Do what is due now, and set the timer for what is due next. To be called after every change."""
        for delivery in self._twilio.run_due(self._clock.now()):
            self.webhook_client.submit(delivery)
        self._set_timer(self._twilio.next_due())

    # --- on a SteppedClock ----------------------------------------------------------------------------------------

    async def advance(self, by: timedelta) -> None:
        """Move the clock on by ``by``; each due action happens at its own time.

        Raises:
            TypeError: The clock is not a ``SteppedClock``.
        """
        until = self._clock.now() + by
        await self._run_while(lambda due: due <= until)
        self._stepped_clock().move_to(until)

    async def settle(self) -> None:
        """Move the clock on until nothing is due any more.

        Raises:
            TypeError: The clock is not a ``SteppedClock``.
        """
        await self._run_while(lambda _due: True)

    async def _run_while(self, wanted: Callable[[datetime], bool]) -> None:
        clock = self._stepped_clock()
        await self._run_due_and_wait()
        while (due := self._twilio.next_due()) is not None and wanted(due):
            clock.move_to(due)
            await self._run_due_and_wait()

    async def _run_due_and_wait(self) -> None:
        self.run_due()
        await self.webhook_client.wait_idle()
        if self.webhook_client.failure is not None:
            raise self.webhook_client.failure

    def _stepped_clock(self) -> SteppedClock:
        if not isinstance(self._clock, SteppedClock):
            raise TypeError("only a SteppedClock can be moved")
        return self._clock

    # --- on any clock ---------------------------------------------------------------------------------------------

    def _set_timer(self, due: datetime | None) -> None:
        if due is None or (self._timer_due is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        # A loop timer may fire a fraction early; the slack makes sure that the action is due when it fires.
        self._timer_due = due + _TIMER_SLACK
        self._timer = self._clock.call_at(self._timer_due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer_due = None
        self.run_due()

    def _on_result(self, delivery: WebhookDelivery, response: WebhookResponse) -> None:
        texts: list[str] = []
        if delivery.event in INBOUND_EVENTS and response.kind == "ok":
            texts = reply_texts(response.body)
            response = response if is_twiml(response.body) else WebhookResponse("twiml")
        self._twilio.on_webhook_result(delivery, response, texts, self._clock.now())
        self.run_due()
