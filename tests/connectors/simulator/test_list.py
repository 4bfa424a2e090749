"""The message list: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources"""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

from twilio.rest import Client

from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.settings import SERVICE_SID
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import ALWAYS, PERSON, SENDER, Connect, create

OTHER = "+12125550102"


async def listed(client: Client, **given: Any) -> list[str]:
    return [message.sid for message in await asyncio.to_thread(lambda: client.messages.list(**given))]


async def test_pages_follow_each_other_newest_first(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources"""
    sids = [(await create(client, body=f"n{n}")).sid for n in range(7)]
    assert await listed(client, page_size=3) == sids[::-1]
    assert await listed(client, to=PERSON, page_size=3) == sids[::-1]


async def test_a_message_created_while_paging_shifts_nothing(sim: Simulator, client: Client) -> None:
    sids = [(await create(client, body=f"n{n}")).sid for n in range(4)]
    page = await asyncio.to_thread(lambda: client.messages.page(page_size=2))
    first = [message.sid for message in page]
    await create(client, body="new")
    second = [message.sid for message in await asyncio.to_thread(page.next_page)]
    assert first + second == sids[::-1]


async def test_filters_are_recipient_sender_and_day(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources"""
    mine = (await create(client)).sid
    await create(client, to=OTHER, messaging_service_sid=SERVICE_SID)
    await sim.advance(timedelta(days=1))
    tomorrow = (await create(client, body="later")).sid
    await sim.settle()

    assert await listed(client, to=PERSON) == [tomorrow, mine]
    assert await listed(client, from_=SENDER) == [tomorrow, mine]
    assert await listed(client, to=PERSON, date_sent=date(2026, 1, 5)) == [mine]
    assert await listed(client, to=PERSON, date_sent_after=date(2026, 1, 6)) == [tomorrow]
    assert await listed(client, to=PERSON, date_sent_before=date(2026, 1, 5)) == [mine]
    assert await listed(client, to=PERSON, date_sent_after=datetime(2026, 1, 6, 23, tzinfo=UTC)) == [tomorrow]


async def test_what_was_not_sent_yet_passes_no_date_filter(sim: Simulator, client: Client) -> None:
    """Twilio promises nothing here; the simulator takes the harder case."""
    sid = (await create(client)).sid
    assert await listed(client, to=PERSON) == [sid]
    assert await listed(client, to=PERSON, date_sent_after=date(2026, 1, 1)) == []


async def test_a_new_message_may_stay_invisible_for_a_while(connect: Connect) -> None:
    """Twilio promises no consistency between create and list."""
    delay = timedelta(seconds=5)
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, list_delay=delay) as sim:
        client = connect(sim)
        sid = (await create(client)).sid
        assert await listed(client, to=PERSON) == []
        await sim.advance(delay)
        assert await listed(client, to=PERSON) == [sid]
