"""Replies that answer each other, and the second address for incoming texts."""

from datetime import UTC, datetime, timedelta

import pytest
from twilio.request_validator import RequestValidator

from connectors.simulator.behaviour.loop_guard import ReplyLoopGuard
from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.settings import AUTH_TOKEN, Service
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import ALWAYS, PERSON, SENDER, Receiver, account

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
HELLO = "<Response><Message>Hello</Message></Response>"


def lets(guard: ReplyLoopGuard, *at: float) -> list[bool]:
    return [guard.allows(SENDER, PERSON, NOW + timedelta(seconds=second)) for second in at]


def test_thirty_replies_in_a_row_are_the_most() -> None:
    """https://www.twilio.com/docs/errors/14107: each less than 30 seconds after the one before."""
    guard = ReplyLoopGuard()
    assert lets(guard, *range(0, 20 * 30, 20)) == [True] * 30
    assert lets(guard, 600, 629.9, 630) == [False, False, True]
    assert guard.allows(SENDER, "+12125550102", NOW)


def test_a_pause_of_thirty_seconds_starts_the_count_again() -> None:
    """https://www.twilio.com/docs/errors/14107"""
    assert lets(ReplyLoopGuard(), *range(29), *range(58, 58 + 30)) == [True] * 59


async def test_a_loop_of_replies_is_broken(sim: Simulator, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/errors/14107: further ones fail with this code."""
    receiver.answers = [(200, HELLO)] * 31
    for _ in range(31):
        sim.twilio.receive(PERSON, SENDER, "Hi", sim.clock.now())
        await sim.advance(timedelta(seconds=1))
    replies = [message for message in sim.twilio.store.order if message.kind == "reply"]
    assert [reply.code for reply in replies] == [None] * 30 + [14107]
    assert replies[-1].status == "failed"


async def test_one_text_gets_ten_replies_at_most(sim: Simulator, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/errors/14109"""
    receiver.answers = [(200, "<Response>" + "<Message>Hello</Message>" * 11 + "</Response>")]
    sim.twilio.receive(PERSON, SENDER, "Hi", sim.clock.now())
    await sim.settle()
    assert sum(message.kind == "reply" for message in sim.twilio.store.order) == 10


@pytest.mark.parametrize(
    ("answer", "code"), [((503, ""), "11200"), ((404, ""), "11200"), ((200, "<Response"), "12100")]
)
async def test_the_fallback_url_is_told_what_failed_where(
    receiver: Receiver, answer: tuple[int, str], code: str
) -> None:
    """https://www.twilio.com/docs/usage/security/availability-reliability"""
    accounts = (account(receiver, services=(), fallback_url=f"{receiver.url}/second"),)
    receiver.answers = [answer, (200, HELLO)]
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, accounts=accounts) as sim:
        asked = sim.twilio.receive(PERSON, SENDER, "Hi", sim.clock.now())
        await sim.settle()
        replies = [message.text for message in sim.twilio.store.order if message.kind == "reply"]

    first, second = receiver.received
    assert (second.url, second.fields["MessageSid"]) == (f"{receiver.url}/second", asked.sid)
    assert (second.fields["ErrorCode"], second.fields["ErrorUrl"]) == (code, first.url)
    assert RequestValidator(AUTH_TOKEN).validate(second.url, second.fields, second.signature)
    assert asked.callback_results == {"received": "given_up", "fallback": "delivered"}
    assert replies == ["Hello"]


async def test_nobody_at_the_first_address_leads_to_the_services_second(receiver: Receiver) -> None:
    """https://www.twilio.com/docs/api/errors/11205; the connect is tried twice before."""
    service = Service(inbound_url="http://127.0.0.1:1/", fallback_url=f"{receiver.url}/second")
    accounts = (account(receiver, services=(service,)),)
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, accounts=accounts) as sim:
        sim.twilio.receive(PERSON, service.numbers[0], "Hi", sim.clock.now())
        await sim.settle()
        assert sim.twilio.outbox.try_counts == {"ct": 2, "ok": 1}
    assert [request.fields["ErrorCode"] for request in receiver.received] == ["11205"]


async def test_without_a_second_address_a_failure_is_the_end(sim: Simulator, receiver: Receiver) -> None:
    """https://www.twilio.com/en-us/blog/a-hidden-gem-fallback-urls-html: an error is logged, no more."""
    receiver.answers = [(500, "")]
    asked = sim.twilio.receive(PERSON, SENDER, "Hi", sim.clock.now())
    await sim.settle()
    assert (len(receiver.received), asked.callback_results) == (1, {"received": "given_up"})
