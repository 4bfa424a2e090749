"""The control API's part that changes conditions, over HTTP."""

from datetime import timedelta
from typing import Any

import aiohttp
from twilio.rest import Client

from connectors.simulator.clock import WallClock
from connectors.simulator.model.settings import SERVICE_SID
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import PERSON, SENDER, create


async def call(sim: Simulator, method: str, path: str, **wish: Any) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{sim.base_url}/sim/{path}", json=wish) as response,
    ):
        content = await response.json()
        assert isinstance(content, dict)
        return response.status, content


async def test_time_passes_when_told_to(sim: Simulator, client: Client) -> None:
    sid = (await create(client)).sid
    before = sim.clock.now()
    status, told = await call(sim, "POST", "clock", seconds=60)
    assert (status, told["manual"], sim.clock.now() - before) == (200, True, timedelta(seconds=60))
    assert sim.twilio.store.messages[sid].status == "delivered"


async def test_time_passes_until_nothing_is_due(sim: Simulator, client: Client) -> None:
    sid = (await create(client)).sid
    await call(sim, "POST", "clock")
    assert sim.twilio.store.messages[sid].price is not None
    assert (await call(sim, "GET", "clock"))[1]["now"] == sim.clock.now().isoformat()


async def test_the_real_clock_cannot_be_moved_nor_any_turned_back(sim: Simulator) -> None:
    assert (await call(sim, "POST", "clock", seconds=-1))[0] == 400
    async with Simulator(clock=WallClock()) as real:
        status, told = await call(real, "POST", "clock", seconds=1)
    assert (status, told["error"]) == (400, "TypeError: only a SteppedClock can be moved")


async def test_a_sender_can_be_slowed_down_and_let_go(sim: Simulator, client: Client) -> None:
    """https://support.twilio.com/hc/en-us/articles/115002943027"""
    await call(sim, "POST", "rates", sender=SENDER, segments_per_second=0.1)
    await create(client)
    await create(client, body="waits")
    await sim.advance(timedelta(seconds=9))
    assert [message.status for message in sim.twilio.store.order] == ["delivered", "queued"]
    assert (await call(sim, "POST", "rates", sender=SENDER, segments_per_second=0))[0] == 400
    assert (await call(sim, "POST", "rates", sender=SENDER, segments_per_second=None))[0] == 201
    assert sim.twilio.lifecycle.routes.rates == {}


async def test_a_service_can_be_given_a_campaign_that_is_used_up(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/api/errors/30023"""
    await call(sim, "POST", "carriers", person=PERSON, carrier="tmobile")
    assert (await call(sim, "POST", "campaigns", service=SERVICE_SID, tmobile_daily_cap=1))[0] == 201
    for body in ("one", "two"):
        await create(client, messaging_service_sid=SERVICE_SID, body=body)
    await sim.settle()
    assert [message.code for message in sim.twilio.store.order] == [None, 30023]

    assert (await call(sim, "DELETE", f"campaigns/{SERVICE_SID}"))[0] == 200
    await create(client, messaging_service_sid=SERVICE_SID, body="three")
    await sim.settle()
    assert sim.twilio.store.order[-1].code is None


async def test_a_campaign_is_changed_in_what_is_named(sim: Simulator) -> None:
    await call(sim, "POST", "campaigns", service=SERVICE_SID, rate=2, carrier_rate=None, brand="BN7")
    await call(sim, "POST", "campaigns", service=SERVICE_SID, rate=3)
    campaign = sim.twilio.lifecycle.routes.campaigns[SERVICE_SID]
    assert (campaign.rate, campaign.carrier_rate, campaign.brand.sid) == (3, None, "BN7")


async def test_mistakes_are_named(sim: Simulator) -> None:
    for path, wish, words in (
        ("campaigns", {"service": "MG0"}, "MG0: no account has"),
        ("campaigns", {"service": SERVICE_SID, "speed": 3}, "no speed"),
        ("campaigns", {"service": SERVICE_SID, "rate": -3}, "above 0"),
        ("carriers", {"person": PERSON, "carrier": "sprint"}, "sprint"),
    ):
        status, told = await call(sim, "POST", path, **wish)
        assert status == 400
        assert words in told["error"]


async def test_a_reset_restores_the_conditions(sim: Simulator) -> None:
    await call(sim, "POST", "rates", sender=SENDER, segments_per_second=0.1)
    await call(sim, "POST", "reset")
    assert sim.twilio.lifecycle.routes.rates == {}


async def test_the_bill_can_be_asked_for(sim: Simulator, client: Client) -> None:
    """https://support.twilio.com/hc/en-us/articles/360016571913"""
    await create(client)
    await sim.settle()
    _status, whole = await call(sim, "GET", "invoice?since=2026-01-05&until=2026-01-05")
    assert [line["category"] for line in whole["lines"]] == ["sms-outbound", "sms-messages-carrierfees"]
    assert (await call(sim, "GET", "invoice?since=2026-01-06"))[1]["lines"] == []
    assert (await call(sim, "GET", "invoice?since=yesterday"))[0] == 400
