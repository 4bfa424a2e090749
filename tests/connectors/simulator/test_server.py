"""The server around the simulated Twilio: the wall clock, start and stop, unknown paths, its own health."""

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.settings import SERVICE_SID, Service, SimulationSettings
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import ALWAYS, PERSON, Connect, Receiver, account, create


async def test_on_the_real_clock_it_moves_by_itself(connect: Connect, receiver: Receiver) -> None:
    async with Simulator(mix=ALWAYS) as sim:
        await create(connect(sim), messaging_service_sid=SERVICE_SID, status_callback=receiver.url)
        async with asyncio.timeout(10):
            statuses = [await receiver.arrivals.get() for _ in range(3)]
    assert sorted(statuses) == ["delivered", "queued", "sent"]


async def test_it_serves_while_its_context_is_open_and_no_longer() -> None:
    async with aiohttp.ClientSession() as session:
        async with Simulator(SimulationSettings()) as sim, session.get(f"{sim.base_url}/sim/health") as response:
            assert orjson.loads(await response.read()) == {"ok": True, "failure": None}
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{sim.base_url}/sim/health")


async def test_it_stops_while_requests_hang(sim: Simulator, client: Client) -> None:
    async with Simulator() as other:
        client.api.base_url = other.base_url
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{other.base_url}/sim/faults", json={"fault": "hang", "seconds": 3600}),
        ):
            call = asyncio.create_task(create(client))
            while not other.twilio.store.order:
                await asyncio.wait([call], timeout=0.005)
    with pytest.raises(OSError):  # noqa: PT011  requests' ConnectionError: the connection ended without an answer
        await call


async def test_a_strange_path_is_not_found_the_way_twilio_says_it(client: Client) -> None:
    with pytest.raises(TwilioRestException) as caught:
        await asyncio.to_thread(lambda: client.calls("CA" + "0" * 32).fetch())
    assert (caught.value.status, caught.value.code) == (404, 20404)


async def test_a_bug_while_posting_shows_in_its_health(
    sim: Simulator, client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sim.twilio, "on_webhook_result", bug)
    await create(client, status_callback=receiver.url)
    with pytest.raises(ZeroDivisionError):
        await sim.settle()
    async with aiohttp.ClientSession() as session, session.get(f"{sim.base_url}/sim/health") as response:
        assert response.status == 500


async def test_outcomes_and_callback_faults_can_be_set_over_http(
    sim: Simulator, client: Client, receiver: Receiver
) -> None:
    wish = {"to": PERSON, "status": "undelivered", "code": 30008}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{sim.base_url}/sim/outcomes", json=wish) as response:
            assert response.status == 201
        async with session.post(f"{sim.base_url}/sim/callback-faults", json={"lost": 1.0}) as response:
            assert response.status == 201
        async with session.post(f"{sim.base_url}/sim/callback-faults", json={"eaten": 1.0}) as response:
            assert response.status == 400
    sid = (await create(client, status_callback=receiver.url)).sid
    await sim.settle()

    kept = sim.twilio.store.messages[sid]
    assert (kept.status, kept.code, receiver.received) == ("undelivered", 30008, [])
    assert kept.callback_results == {"sent": "lost", "undelivered": "lost"}


async def test_a_service_may_have_a_callback_url_of_its_own(connect: Connect, receiver: Receiver) -> None:
    """The message's own URL goes first: https://www.twilio.com/docs/messaging/api/message-resource"""
    service = Service(status_callback=f"{receiver.url}/service")
    accounts = (account(receiver, services=(service,)),)
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, accounts=accounts) as sim:
        client = connect(sim)
        await create(client, messaging_service_sid=SERVICE_SID)
        await create(client, body="own", messaging_service_sid=SERVICE_SID, status_callback=f"{receiver.url}/own")
        await sim.settle()
    paths = [request.url.rpartition("/")[2] for request in receiver.received]
    assert sorted(paths) == ["own"] * 3 + ["service"] * 3
