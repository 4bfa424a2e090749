"""Incoming texts, opt-out by Twilio itself, and replies."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from connectors.simulator.behaviour.opt_outs import match_keyword
from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.messages import Message
from connectors.simulator.model.settings import AUTH_TOKEN, SERVICE_SID, Service
from connectors.simulator.server import Simulator
from connectors.simulator.webhooks.twiml import reply_texts
from tests.connectors.simulator.conftest import ALWAYS, PERSON, SENDER, Connect, Receiver, account, create

POOL = "+12025550103"


async def text(sim: Simulator, body: str, to: str = SENDER) -> str:
    said = {"from": PERSON, "to": to, "body": body}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.base_url}/sim/inbound", json=said) as response,
    ):
        assert response.status == 201
        sid = (await response.json())["sid"]
    await sim.settle()
    return str(sid)


def of_kind(sim: Simulator, kind: str) -> list[Message]:
    return [message for message in sim.twilio.store.order if message.kind == kind]


async def test_an_incoming_text_is_posted_signed(sim: Simulator, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/messaging/guides/webhook-request; unknown places are blank, and signed too."""
    sid = await text(sim, "Hi there")

    (request,) = receiver.received
    assert (request.fields["MessageSid"], request.fields["Body"], request.fields["From"]) == (sid, "Hi there", PERSON)
    assert (request.fields["NumSegments"], request.fields["NumMedia"], request.fields["FromCity"]) == ("1", "0", "")
    assert "OptOutType" not in request.fields
    assert RequestValidator(AUTH_TOKEN).validate(f"{receiver.url}/inbound", request.fields, request.signature)


async def test_a_twiml_message_is_sent_as_a_reply(sim: Simulator, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/messaging/twiml"""
    receiver.answers = [(200, "<Response><Message>Hello back</Message></Response>")]
    await text(sim, "Hi")

    (reply,) = of_kind(sim, "reply")
    assert (reply.to, reply.sender, reply.text, reply.status) == (PERSON, SENDER, "Hello back", "delivered")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<Response/>", []),
        ("", []),
        ("<Response><Message><Body>a &amp; b</Body><Media>x</Media></Message><Sms>c</Sms></Response>", ["a & b", "c"]),
        ("<Response><Message></Message></Response>", []),
        ("<Response", []),
        ("<Other><Message>x</Message></Other>", []),
        ("<Response><Message>" + "x" * 70000 + "</Message></Response>", []),
    ],
)
def test_what_a_reply_says(body: str, said: list[str]) -> None:
    assert reply_texts(body) == said


@pytest.mark.parametrize(
    ("body", "word"),
    [
        *((said, "STOP") for said in ("STOP", "stop", " StopAll ", "unsubscribe", "CANCEL", "END", "QUIT", "optout")),
        ("REVOKE", "STOP"),
        ("START", "START"),
        ("yes", "START"),
        ("UNSTOP", "START"),
        ("HELP", "HELP"),
        ("info", "HELP"),
        ("STOP PLEASE", None),
        ("opt out", None),
        ("", None),
    ],
)
def test_a_keyword_is_the_whole_text_in_any_case(body: str, word: str | None) -> None:
    """https://support.twilio.com/hc/en-us/articles/223134027"""
    assert match_keyword(SENDER, body).keyword == word


async def test_after_stop_a_number_is_refused_at_create_until_start(
    sim: Simulator, client: Client, receiver: Receiver
) -> None:
    """https://www.twilio.com/docs/api/errors/21610; the STOP itself is still posted."""
    await text(sim, "STOP")
    with pytest.raises(TwilioRestException) as caught:
        await create(client)
    assert (caught.value.status, caught.value.code) == (400, 21610)
    assert receiver.received[0].fields["Body"] == "STOP"
    assert (await create(client, from_=POOL)).status == "queued"

    await text(sim, "START")
    assert (await create(client)).status == "queued"


async def test_after_stop_a_service_fails_the_message_later(sim: Simulator, client: Client, receiver: Receiver) -> None:
    """The other face of 21610: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out"""
    await text(sim, "STOP", to=POOL)
    message = await create(client, messaging_service_sid=SERVICE_SID, status_callback=receiver.url)
    assert message.status == "accepted"
    await sim.settle()

    kept = sim.twilio.store.messages[message.sid]
    assert (kept.status, kept.code, str(kept.price)) == ("failed", 21610, "-0.00100")
    assert receiver.received[-1].fields["ErrorCode"] == "21610"


async def test_a_stop_to_one_number_blocks_its_whole_service(sim: Simulator, client: Client) -> None:
    """https://support.twilio.com/hc/en-us/articles/223134027"""
    await text(sim, "STOP", to=POOL)
    with pytest.raises(TwilioRestException) as caught:
        await create(client, from_="+12025550107")
    assert caught.value.code == 21610


async def test_twilio_confirms_a_stop_and_drops_our_reply_to_it(sim: Simulator, receiver: Receiver) -> None:
    """https://support.twilio.com/hc/en-us/articles/223134027"""
    receiver.answers = [(200, "<Response><Message>Bye</Message></Response>")]
    await text(sim, "STOP")

    (confirmation,) = of_kind(sim, "confirmation")
    assert (confirmation.to, confirmation.status) == (PERSON, "delivered")
    (reply,) = of_kind(sim, "reply")
    assert (reply.status, reply.code) == ("failed", 21610)


async def test_confirmations_can_be_switched_off(receiver: Receiver) -> None:
    async with Simulator(clock=SteppedClock(), accounts=(account(receiver),), confirmations=False) as sim:
        await text(sim, "STOP")
        assert of_kind(sim, "confirmation") == []
        assert len(receiver.received) == 1


@pytest.mark.parametrize("said", ["STOP", "START", "HELP"])
async def test_advanced_opt_out_says_what_it_matched_and_answers_itself(receiver: Receiver, said: str) -> None:
    """https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: `OptOutType` only then."""
    service = Service(advanced_opt_out=True)
    accounts = (account(receiver, services=(service,)),)
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, accounts=accounts, confirmations=False) as sim:
        await text(sim, f" {said.lower()} ", to=POOL)
        assert receiver.received[0].fields["OptOutType"] == said
        assert receiver.received[0].fields["MessagingServiceSid"] == SERVICE_SID
        assert [message.to for message in of_kind(sim, "confirmation")] == [PERSON]
        await text(sim, "thanks", to=POOL)
        assert "OptOutType" not in receiver.received[1].fields


async def test_with_advanced_opt_out_a_start_opens_the_service_again(receiver: Receiver, connect: Connect) -> None:
    """https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out"""
    accounts = (account(receiver, services=(Service(advanced_opt_out=True),)),)
    ends = []
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, accounts=accounts) as sim:
        client = connect(sim)
        for word in ("STOP", "START"):
            await text(sim, word, to=POOL)
            sid = (await create(client, messaging_service_sid=SERVICE_SID)).sid
            await sim.settle()
            ends.append((sim.twilio.store.messages[sid].status, sim.twilio.store.messages[sid].code))
    assert ends == [("failed", 21610), ("delivered", None)]


async def test_a_stop_reaches_what_is_scheduled_at_twilio(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: asked when the service sends."""
    send_at = sim.clock.now() + timedelta(minutes=10)
    given: dict[str, Any] = {"messaging_service_sid": SERVICE_SID, "schedule_type": "fixed", "send_at": send_at}
    sid = (await create(client, **given)).sid
    sim.twilio.receive(PERSON, POOL, "STOP", sim.clock.now())
    await sim.settle()
    assert (sim.twilio.store.messages[sid].status, sim.twilio.store.messages[sid].code) == ("failed", 21610)


async def test_a_text_to_a_strange_number_is_the_callers_mistake(sim: Simulator, connect: Connect) -> None:
    said = {"from": PERSON, "to": "+12125550188", "body": "x"}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{sim.base_url}/sim/inbound", json=said) as response:
            assert response.status == 400
            assert "+12125550188" in (await response.json())["error"]
        async with session.post(f"{sim.base_url}/sim/inbound", data=b"{") as response:
            assert response.status == 400
