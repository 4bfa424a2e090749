"""Status callbacks, their signature, and what happens when they fail."""

from datetime import UTC, datetime, timedelta

import pytest
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.settings import AUTH_TOKEN, SERVICE_SID, CallbackFaults, OutcomeWeight
from connectors.simulator.server import Simulator
from connectors.simulator.webhooks.payloads import (
    CallbackRules,
    WebhookDelivery,
    WebhookResponse,
    compute_signature,
    retry_delivery,
)
from tests.connectors.simulator.conftest import ALWAYS, PERSON, SENDER, Connect, Receiver, create

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


async def test_a_number_tells_sent_and_delivered(sim: Simulator, client: Client, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks (not the first one)."""
    sid = (await create(client, status_callback=f"{receiver.url}/cb?attempt=m%2F1&x=")).sid
    await sim.settle()

    assert receiver.statuses() == ["sent", "delivered"]
    fields = receiver.received[1].fields
    assert fields["MessageSid"] == fields["SmsSid"] == sid
    assert (fields["From"], fields["To"], fields["SmsStatus"]) == (SENDER, PERSON, "delivered")
    assert len(fields["RawDlrDoneDate"]) == 10
    assert not {"ErrorCode", "Price", "NumSegments", "MessagingServiceSid"} & set(fields)


async def test_a_service_tells_queued_first(sim: Simulator, client: Client, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks"""
    await create(client, messaging_service_sid=SERVICE_SID, status_callback=receiver.url)
    await sim.settle()

    assert receiver.statuses() == ["queued", "sent", "delivered"]
    assert {request.fields["MessagingServiceSid"] for request in receiver.received} == {SERVICE_SID}


@pytest.mark.parametrize("path", ["/cb", "/cb?attempt=m%2F1&x=", "/cb?a=1#rc=5&rp=all"])
async def test_the_sdks_validator_accepts_every_callback(
    sim: Simulator, client: Client, receiver: Receiver, path: str
) -> None:
    """https://www.twilio.com/docs/usage/security: over the URL without its fragment, and every field."""
    await create(client, body="ü", status_callback=receiver.url + path)
    await sim.settle()

    url = receiver.url + path.partition("#")[0]
    validator = RequestValidator(AUTH_TOKEN)
    assert len(receiver.received) == 2
    assert all(validator.validate(url, request.fields, request.signature) for request in receiver.received)


def test_the_published_signature_vector() -> None:
    """https://www.twilio.com/docs/usage/security; a user and password in the URL are not signed."""
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    assert (
        compute_signature("12345", "https://example.com/myapp.php?foo=1&bar=2", fields)
        == "L/OH5YylLD5NRKLltdqwSvS0BnU="
    )
    assert (
        compute_signature("12345", "https://u:p@example.com/myapp.php?foo=1&bar=2", fields)
        == "L/OH5YylLD5NRKLltdqwSvS0BnU="
    )


async def test_an_undelivered_message_tells_its_code(connect: Connect, receiver: Receiver) -> None:
    mix = (OutcomeWeight("undelivered", 30003, 1.0),)
    async with Simulator(clock=SteppedClock(), mix=mix) as sim:
        sid = (await create(connect(sim), status_callback=receiver.url)).sid
        await sim.settle()
        assert receiver.statuses() == ["sent", "undelivered"]
        assert receiver.received[1].fields["ErrorCode"] == "30003"
        assert sim.twilio.store.messages[sid].code == 30003


async def test_by_default_an_error_answer_loses_the_callback(
    sim: Simulator, client: Client, receiver: Receiver
) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: only a failed connect is retried."""
    receiver.answers = [(503, "")]
    sid = (await create(client, status_callback=receiver.url)).sid
    await sim.settle()

    assert receiver.statuses() == ["sent", "delivered"]
    assert sim.twilio.store.messages[sid].callback_results == {"sent": "given_up", "delivered": "delivered"}


async def test_the_fragment_asks_for_retries_under_one_token(
    sim: Simulator, client: Client, receiver: Receiver
) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: `I-Twilio-Idempotency-Token`."""
    receiver.answers = [(503, ""), (500, ""), (429, "")]
    await create(client, status_callback=f"{receiver.url}#rc=5&rp=all")
    await sim.settle()

    sent = [request for request in receiver.received if request.fields["MessageStatus"] == "sent"]
    assert sorted(receiver.statuses()) == ["delivered", "delivered", "sent", "sent", "sent"]
    assert len({request.token for request in sent}) == 1
    assert len({request.token for request in receiver.received}) == 2


async def test_nobody_listening_is_tried_once_more(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: `rc` is 1 and `rp` is `ct`."""
    await create(client, status_callback="http://127.0.0.1:1/")
    await sim.settle()
    assert sim.twilio.outbox.try_counts == {"ct": 4}


def failed(fragment: str, tries: int = 0) -> WebhookDelivery:
    rules = CallbackRules.parse(fragment)
    return WebhookDelivery("SM1", "sent", "http://127.0.0.1/", {}, "", "token", rules, NOW, tries)


@pytest.mark.parametrize(
    ("fragment", "kind", "tries", "again"),
    [
        ("", "ct", 0, True),
        ("", "ct", 1, False),
        ("", "rt", 0, False),
        ("", "5xx", 0, False),
        ("rc=0", "ct", 0, False),
        ("rc=5&rp=5xx", "5xx", 4, True),
        ("rc=5&rp=5xx", "5xx", 5, False),
        ("rc=5&rp=5xx", "4xx", 0, False),
        ("rc=2&rp=4xx,rt", "rt", 1, True),
        ("rc=9&rp=all", "5xx", 1, False),
        ("rc=3&rp=all&tt=500", "5xx", 0, False),
        ("rc=3&rp=all", "ok", 0, False),
    ],
)
def test_what_is_tried_again(fragment: str, kind: str, tries: int, again: bool) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: count, kinds and total time come from
    the fragment; what is out of range counts as not said."""
    assert (
        retry_delivery(failed(fragment, tries), WebhookResponse(kind), NOW, timedelta(seconds=1)) is not None
    ) is again


@pytest.mark.parametrize(
    ("fragment", "connect_ms", "read_ms", "total_ms"),
    [
        ("", 5000, 15000, 15000),
        ("ct=100&rt=100&tt=100", 100, 100, 100),
        ("ct=10000&rt=15000&tt=15000", 10000, 15000, 15000),
        ("ct=99&rt=99&tt=99", 5000, 15000, 15000),
        ("ct=10001&rt=15001&tt=15001", 5000, 15000, 15000),
        ("ct=soon&rt=&tt=-1", 5000, 15000, 15000),
    ],
)
def test_time_outs_have_bounds_and_defaults(fragment: str, connect_ms: int, read_ms: int, total_ms: int) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: `ct`, `rt`, `tt`."""
    rules, ms = CallbackRules.parse(fragment), timedelta(milliseconds=1)
    assert (rules.connect / ms, rules.read / ms, rules.total / ms) == (connect_ms, read_ms, total_ms)


async def run_with(faults: CallbackFaults, connect: Connect, receiver: Receiver, messages: int = 1) -> list[str]:
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, callback_faults=faults) as sim:
        client = connect(sim)
        for number in range(messages):
            await create(client, messaging_service_sid=SERVICE_SID, body=f"n{number}", status_callback=receiver.url)
        await sim.settle()
    return receiver.statuses()


async def test_an_endpoint_that_does_not_answer_in_time_is_asked_again(
    sim: Simulator, client: Client, receiver: Receiver
) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: `rt`, in real time; 100 ms at least."""
    receiver.mute = 1
    sid = (await create(client, status_callback=f"{receiver.url}#rc=2&rp=rt&rt=100")).sid
    await sim.settle()

    sent = [request for request in receiver.received if request.fields["MessageStatus"] == "sent"]
    assert len(sent) == 2
    assert len({request.token for request in sent}) == 1
    assert sim.twilio.store.messages[sid].callback_results == {"sent": "delivered", "delivered": "delivered"}


async def test_the_total_time_ends_the_tries(sim: Simulator, client: Client, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: `tt` includes retries."""
    receiver.answers = [(503, "")] * 6
    await create(client, status_callback=f"{receiver.url}#rc=5&rp=5xx&tt=2500")
    await sim.advance(timedelta(seconds=1))
    await sim.settle()
    assert receiver.statuses().count("sent") == 3


async def test_callbacks_can_be_late(connect: Connect, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/messaging/guides/track-outbound-message-status promises no time."""
    faults = CallbackFaults(late=1.0, late_by=timedelta(hours=1))
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, callback_faults=faults) as sim:
        await create(connect(sim), status_callback=receiver.url)
        await sim.advance(timedelta(seconds=1))
        assert sim.twilio.store.order[0].status == "delivered"
        assert receiver.statuses() == []
        await sim.advance(timedelta(hours=1))
    assert sorted(receiver.statuses()) == ["delivered", "sent"]


async def test_callbacks_can_be_lost(connect: Connect, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/messaging/guides/outbound-message-logging: poll when no final status comes."""
    assert await run_with(CallbackFaults(lost=1.0), connect, receiver) == []


async def test_callbacks_can_come_twice_with_one_token(connect: Connect, receiver: Receiver) -> None:
    """https://github.com/opengovsg/postmangovsg/pull/1150: several receipts for one message were met."""
    statuses = await run_with(CallbackFaults(duplicated=1.0), connect, receiver)
    assert sorted(statuses) == sorted(["queued", "sent", "delivered"] * 2)
    assert len({request.token for request in receiver.received}) == 3


async def test_callbacks_can_overtake_each_other(connect: Connect, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/messaging/guides/track-outbound-message-status: order is not guaranteed."""
    statuses = await run_with(CallbackFaults(reordered=1.0), connect, receiver)
    assert sorted(statuses) == ["delivered", "queued", "sent"]
    assert statuses != ["queued", "sent", "delivered"]


async def test_a_held_callback_comes_even_if_nothing_overtakes_it(connect: Connect, receiver: Receiver) -> None:
    faults = CallbackFaults(reordered=1.0)
    async with Simulator(clock=SteppedClock(), mix=(OutcomeWeight("sent", None, 1.0),), callback_faults=faults) as sim:
        await create(connect(sim), status_callback=receiver.url)
        await sim.settle()
    assert receiver.statuses() == ["sent"]


async def test_some_callbacks_are_lost_the_same_ones_in_every_run(connect: Connect, receiver: Receiver) -> None:
    faults = CallbackFaults(lost=0.5)
    first = await run_with(faults, connect, receiver, messages=10)
    receiver.received.clear()
    second = await run_with(faults, connect, receiver, messages=10)
    assert first == second
    assert 5 < len(first) < 25
