"""Creating, fetching, cancelling and redacting: https://www.twilio.com/docs/messaging/api/message-resource"""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from connectors.simulator.model.settings import (
    ACCOUNT_SID,
    SERVICE_NUMBERS,
    SERVICE_SID,
    TEST_ACCOUNT_SID,
    Account,
    Latencies,
)
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import ALWAYS, PERSON, SENDER, Connect, create


async def test_a_text_from_a_number_is_queued_and_unpriced(client: Client) -> None:
    """https://www.twilio.com/docs/messaging/api/message-resource"""
    message = await create(client, body="Hello €")

    assert message.sid.startswith("SM")
    assert len(message.sid) == 34
    assert (message.status, message.direction, message.from_, message.to) == ("queued", "outbound-api", SENDER, PERSON)
    assert (message.num_segments, message.num_media, message.price, message.price_unit) == ("1", "0", None, None)
    assert (message.error_code, message.error_message, message.messaging_service_sid) == (None, None, None)
    assert message.date_created == datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
    assert message.body == "Hello €"


async def test_with_a_messaging_service_no_sender_is_chosen_at_create(client: Client) -> None:
    """https://www.twilio.com/docs/messaging/api/message-resource: `from` is null."""
    message = await create(client, messaging_service_sid=SERVICE_SID)

    assert (message.status, message.from_, message.num_segments) == ("accepted", None, "0")
    assert message.messaging_service_sid == SERVICE_SID


async def test_a_service_sends_to_one_person_from_one_number(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/messaging/services#sticky-sender"""
    sids = [(await create(client, messaging_service_sid=SERVICE_SID, body=str(n))).sid for n in range(3)]
    await sim.settle()

    senders = {sim.twilio.store.messages[sid].sender for sid in sids}
    assert len(senders) == 1
    assert senders < set(SERVICE_NUMBERS)


async def test_a_message_fetched_later_is_delivered_and_priced(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/messaging/api/message-resource#fetch-a-message-resource"""
    sid = (await create(client, messaging_service_sid=SERVICE_SID)).sid
    await sim.settle()

    message = await asyncio.to_thread(lambda: client.messages(sid).fetch())
    assert (message.status, message.num_segments, message.price_unit) == ("delivered", "1", "USD")
    assert message.price in ("-0.01180", "-0.01280")
    assert message.date_sent > message.date_created or message.date_sent == message.date_created


async def test_an_unknown_sid_is_not_found(client: Client) -> None:
    """https://www.twilio.com/docs/api/errors/20404"""
    with pytest.raises(TwilioRestException) as caught:
        await asyncio.to_thread(lambda: client.messages("SM" + "0" * 32).fetch())
    assert (caught.value.status, caught.value.code) == (404, 20404)


async def test_a_scheduled_message_waits_for_its_time(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/messaging/features/message-scheduling"""
    send_at = sim.clock.now() + timedelta(minutes=10)
    sid = (await create(client, messaging_service_sid=SERVICE_SID, schedule_type="fixed", send_at=send_at)).sid
    await sim.advance(timedelta(minutes=9))
    assert sim.twilio.store.messages[sid].status == "scheduled"

    await sim.advance(timedelta(minutes=2))
    assert sim.twilio.store.messages[sid].status == "delivered"


async def test_a_scheduled_message_can_be_canceled_until_it_leaves(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/messaging/features/message-scheduling"""
    send_at = sim.clock.now() + timedelta(minutes=10)
    scheduled = await create(client, messaging_service_sid=SERVICE_SID, schedule_type="fixed", send_at=send_at)
    canceled = await asyncio.to_thread(lambda: client.messages(scheduled.sid).update(status="canceled"))
    await sim.settle()

    assert canceled.status == "canceled"
    assert sim.twilio.store.messages[scheduled.sid].status == "canceled"


async def test_a_message_that_left_cannot_be_canceled(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/api/errors/30409"""
    sid = (await create(client)).sid
    await sim.settle()
    with pytest.raises(TwilioRestException) as caught:
        await asyncio.to_thread(lambda: client.messages(sid).update(status="canceled"))
    assert caught.value.code == 30409


async def test_redaction_empties_the_resource_and_not_the_ledger(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/messaging/api/message-resource#update-a-message-resource"""
    sid = (await create(client, body="secret")).sid
    redacted = await asyncio.to_thread(lambda: client.messages(sid).update(body=""))

    assert redacted.body == ""
    assert sim.twilio.store.messages[sid].text == "secret"


async def test_a_deleted_message_is_gone_from_the_api(client: Client) -> None:
    """https://www.twilio.com/docs/messaging/api/message-resource#delete-a-message-resource"""
    sid = (await create(client)).sid
    assert await asyncio.to_thread(lambda: client.messages(sid).delete())
    with pytest.raises(TwilioRestException):
        await asyncio.to_thread(lambda: client.messages(sid).fetch())


async def test_wrong_credentials_are_refused(sim: Simulator, connect: Connect) -> None:
    """https://www.twilio.com/docs/api/errors/20003"""
    with pytest.raises(TwilioRestException) as caught:
        await create(connect(sim, secret="wrong"))
    assert (caught.value.status, caught.value.code) == (401, 20003)
    assert sim.twilio.store.order == []


async def test_an_api_key_opens_its_account(connect: Connect) -> None:
    """https://www.twilio.com/docs/iam/api-keys"""
    account = Account(api_keys={"SK" + "1" * 32: "key-secret"})
    async with Simulator(accounts=(account,)) as sim:
        keyed = connect(sim, "SK" + "1" * 32, "key-secret", account_sid=ACCOUNT_SID)
        assert (await create(keyed)).account_sid == ACCOUNT_SID


async def test_a_request_over_the_concurrency_limit_has_no_effect(connect: Connect) -> None:
    """https://www.twilio.com/docs/api/errors/20429"""
    async with Simulator(accounts=(Account(max_concurrency=0),)) as sim:
        with pytest.raises(TwilioRestException) as caught:
            await create(connect(sim))
        assert (caught.value.status, caught.value.code) == (429, 20429)
        assert sim.twilio.store.order == []


async def test_a_sender_lets_out_its_rate_in_order(sim: Simulator, client: Client) -> None:
    """https://support.twilio.com/hc/en-us/articles/115002943027: messages above the rate queue in order of arrival."""
    async with Simulator(clock=sim.clock, mix=ALWAYS, rates={SENDER: 1.0}, latencies=Latencies()) as slow:
        client.api.base_url = slow.base_url
        sids = [(await create(client, body=f"n{n}")).sid for n in range(4)]
        await slow.settle()
        sent = [slow.twilio.store.messages[sid].sent_at or sim.clock.now() for sid in sids]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(sent)]
        assert all(0.9 < gap < 1.1 for gap in gaps)


async def test_a_message_that_waits_past_its_validity_fails(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/api/errors/30036; such a failure is exempt from the fee."""
    async with Simulator(clock=sim.clock, mix=ALWAYS, rates={SENDER: 0.1}) as slow:
        client.api.base_url = slow.base_url
        await create(client)
        sid = (await create(client, body="late", validity_period=5)).sid
        await slow.settle()
        late = slow.twilio.store.messages[sid]
        assert (late.status, late.code, late.price) == ("failed", 30036, None)


async def test_test_credentials_send_nothing(connect: Connect) -> None:
    """https://www.twilio.com/docs/iam/test-credentials"""
    async with Simulator() as sim:
        message = await create(connect(sim, TEST_ACCOUNT_SID), status_callback="http://127.0.0.1:1/never")
        assert message.status == "queued"
        assert sim.twilio.next_due() is None
