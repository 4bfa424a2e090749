"""Sender, simulator and ingester together: the simulator signs and posts by its own code, so neither hides the other's
mistake.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from connectors.clock import ManualClock
from connectors.memory import MemoryPublisher
from connectors.simulator.clock import SteppedClock as SimulatorClock
from connectors.simulator.model.faults import Fault
from connectors.simulator.model.settings import Account
from connectors.simulator.server import Simulator
from connectors.twilio.api.account import TwilioAccount
from connectors.twilio.api.sender import TwilioSender
from connectors.twilio.webhooks.ingester import Ingester
from connectors.twilio.webhooks.options import IngesterOptions
from schemas.codec import Codec
from schemas.enums import Outcome
from schemas.records import InboundMessage, TwilioCallback
from tests.builders import NOW, NUMBER, PERSON, dispatch, seconds
from tests.connectors.twilio.api.peer import unused_port


class Pipe:
    """Everything between a dispatch and the topics, on this machine."""

    def __init__(self, simulator: Simulator, publisher: MemoryPublisher, sender: TwilioSender) -> None:
        self.simulator = simulator
        self.publisher = publisher
        self.sender = sender

    def callbacks(self) -> list[TwilioCallback]:
        return [Codec().decode(TwilioCallback, wire.value) for wire in self.publisher.on("sms-callbacks")]

    def inbound(self) -> list[InboundMessage]:
        return [Codec().decode(InboundMessage, wire.value) for wire in self.publisher.on("sms-inbound")]


@asynccontextmanager
async def pipe(reply: str | None = None, **account_changes: Any) -> AsyncIterator[Pipe]:
    port, clock, publisher = unused_port(), ManualClock(NOW), MemoryPublisher()
    public = f"http://127.0.0.1:{port}"
    simulated = replace(Account(), inbound_url=f"{public}/twilio/inbound", **account_changes)
    app = Ingester(
        IngesterOptions(public_url=public, auth_tokens=("being promoted", simulated.auth_token)),
        publisher,
        Codec(),
        clock,
        lambda _: reply,
    )
    async with (
        Simulator(clock=SimulatorClock(NOW), accounts=(simulated,), confirmations=False) as simulator,
        app.serving("127.0.0.1", port),
    ):
        user, secret = next(iter(simulated.api_keys.items()), (simulated.sid, simulated.auth_token))
        account = TwilioAccount(
            account_sid=simulated.sid, user=user, secret=secret, base_url=simulator.base_url, public_url=public
        )
        transport = account.transport()
        try:
            yield Pipe(simulator, publisher, TwilioSender(account, transport, clock))
        finally:
            await transport.close()


async def test_every_status_comes_back_with_its_attempt() -> None:
    async with pipe() as p:
        answer = await p.sender.send(dispatch(attempt_id="order 7 + tax/1", body="Grüße, 你好 & co"), lambda: None)
        await p.simulator.settle()

    assert answer.outcome is Outcome.ACCEPTED
    assert [callback.status for callback in p.callbacks()] == ["sent", "delivered"]
    for callback in p.callbacks():
        assert (callback.attempt_id, callback.message_sid) == ("order 7 + tax/1", answer.sid)
        assert (callback.person, callback.sender_number) == (PERSON, NUMBER)


async def test_a_callback_names_the_attempt_whose_answer_was_lost() -> None:
    async with pipe() as p:
        p.simulator.faults.arm(Fault(name="accept_then_500"))
        answer = await p.sender.send(dispatch(), lambda: None)
        await p.simulator.settle()

    assert (answer.outcome, answer.sid) == (Outcome.UNKNOWN, None)
    assert {callback.attempt_id for callback in p.callbacks()} == {"m1/1"}


async def test_a_broker_that_comes_back_within_twilios_patience_loses_no_callback() -> None:
    async with pipe() as p:
        p.publisher.available = False
        await p.sender.send(dispatch(), lambda: None)
        await p.simulator.advance(timedelta(milliseconds=200))
        p.publisher.available = True
        await p.simulator.settle()

    assert sorted(callback.status for callback in p.callbacks()) == ["delivered", "sent"]


async def test_an_inbound_text_arrives_and_its_answer_goes_out() -> None:
    async with pipe(reply="You're out <3") as p:
        p.simulator.twilio.receive(PERSON, NUMBER, "STOP, por favor ✋", NOW)
        await p.simulator.settle()
        answers = [message.text for message in p.simulator.twilio.store.order if message.kind == "reply"]

    (message,) = p.inbound()
    assert (message.person, message.to, message.body) == (PERSON, NUMBER, "STOP, por favor ✋")
    assert answers == ["You're out <3"]


async def test_an_api_key_opens_the_account() -> None:
    async with pipe(api_keys={"SK" + "1" * 32: "its secret"}) as p:
        answer = await p.sender.send(dispatch(), lambda: None)

    assert answer.outcome is Outcome.ACCEPTED


async def test_an_answer_that_comes_too_late_is_unknown() -> None:
    async with pipe() as p:
        p.simulator.faults.arm(Fault(name="hang"))
        account = TwilioAccount(
            account_sid=p.simulator.account.sid,
            user=p.simulator.account.sid,
            secret=p.simulator.account.auth_token,
            base_url=p.simulator.base_url,
            timeout=0.1,
        )
        transport = account.transport()
        answer = await TwilioSender(account, transport, ManualClock(NOW)).send(dispatch(), lambda: None)
        await transport.close()
        await p.simulator.advance(seconds(60))

    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "timeout")
    assert len(p.simulator.twilio.store.order) == 1
