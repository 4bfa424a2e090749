"""What the contract tests run on: the doubles in memory, and the Twilio adapters with the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from connectors.clock import ManualClock
from connectors.memory import MemoryMessageList, MemorySender, MemoryTwilio
from connectors.simulator.clock import SteppedClock as SimulatorClock
from connectors.simulator.model.faults import Fault
from connectors.simulator.model.settings import SERVICE_SID
from connectors.simulator.server import Simulator
from connectors.twilio.api.account import TwilioAccount
from connectors.twilio.api.message_list import TwilioMessageList
from connectors.twilio.api.sender import TwilioSender
from schemas.ports import MessageList, SmsSender
from tests.builders import NOW, PERSON

REFUSED = "+15005550001"
"""Twilio's magic recipient, refused with 21211."""


class TwilioFixture(Protocol):
    """Both adapters of one account, its clock, and the faults that tests need."""

    sender: SmsSender
    history: MessageList
    clock: ManualClock
    service: str

    def accepted(self) -> list[tuple[str, str | None]]:
        """Recipient and text of every accepted message, in order."""
        ...

    def lose_next_answer(self) -> None: ...
    def lose_next_request(self) -> None: ...
    def fail_next(self) -> None: ...
    def limit_next(self) -> None: ...
    def refuse_next(self) -> str:
        """Let the next message to the returned number be refused."""
        ...

    def lose_the_list(self) -> None: ...
    async def advance(self, by: timedelta) -> None: ...


class MemoryTwilioFixture:
    """The doubles in memory."""

    service = SERVICE_SID

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.twilio = MemoryTwilio()
        self.sender: SmsSender = MemorySender(self.twilio, self.clock)
        self.history: MessageList = MemoryMessageList(self.twilio, self.clock, page_size=2)
        self.lose_next_answer = self.twilio.lose_next_answer
        self.lose_next_request = self.twilio.lose_next_request
        self.fail_next = self.twilio.fail_next

    def accepted(self) -> list[tuple[str, str | None]]:
        return [(message.attempt.person, message.attempt.body) for message in self.twilio.accepted]

    def limit_next(self) -> None:
        self.twilio.limit_next(3000)

    def refuse_next(self) -> str:
        self.twilio.refuse_next(21211)
        return PERSON

    def lose_the_list(self) -> None:
        self.twilio.list_available = False

    async def advance(self, by: timedelta) -> None:
        self.clock.advance(by)


class SimulatorTwilioFixture:
    """The Twilio adapters, with the simulator behind them."""

    service = SERVICE_SID

    def __init__(
        self, simulator: Simulator, sender: TwilioSender, history: TwilioMessageList, clock: ManualClock
    ) -> None:
        self.simulator = simulator
        self.sender: SmsSender = sender
        self.history: MessageList = history
        self.clock = clock

    def accepted(self) -> list[tuple[str, str | None]]:
        return [(message.to, message.text) for message in self.simulator.twilio.store.order if message.kind == "api"]

    def _arm(self, name: str) -> None:
        self.simulator.faults.arm(Fault(name=name))

    def lose_next_answer(self) -> None:
        self._arm("accept_then_drop")

    def lose_next_request(self) -> None:
        self._arm("reset_before")

    def fail_next(self) -> None:
        self._arm("500_without_effect")

    def limit_next(self) -> None:
        self._arm("429")

    def refuse_next(self) -> str:
        return REFUSED

    def lose_the_list(self) -> None:
        self.simulator.faults.arm(Fault(name="500_without_effect", operation="list", times=None))

    async def advance(self, by: timedelta) -> None:
        self.clock.advance(by)
        await self.simulator.advance(by)


@asynccontextmanager
async def memory() -> AsyncIterator[TwilioFixture]:
    yield MemoryTwilioFixture()


@asynccontextmanager
async def simulated() -> AsyncIterator[TwilioFixture]:
    clock = ManualClock(NOW)
    async with Simulator(clock=SimulatorClock(NOW), retry_after_s=3) as simulator:
        account = TwilioAccount(
            account_sid=simulator.account.sid,
            user=simulator.account.sid,
            secret=simulator.account.auth_token,
            base_url=simulator.base_url,
        )
        transport = account.transport()
        sender = TwilioSender(account, transport, clock)
        history = TwilioMessageList(account, transport, clock, page_size=2)
        try:
            yield SimulatorTwilioFixture(simulator, sender, history, clock)
        finally:
            await transport.close()


TWILIO_FIXTURES = {"memory": memory, "twilio": simulated}
