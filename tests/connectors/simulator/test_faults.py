"""Misbehaviour on demand: what the unmodified SDK sees, and whether the message was accepted."""

import asyncio
from datetime import timedelta
from json import JSONDecodeError
from typing import Any

import aiohttp
import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.faults import Fault, Faults
from connectors.simulator.model.settings import SERVICE_SID, Account
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import Connect, create


async def arm(sim: Simulator, **wish: Any) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.base_url}/sim/faults", json=wish) as response,
    ):
        return response.status


@pytest.mark.parametrize(
    ("fault", "error", "accepted"),
    [
        ("accept_then_drop", requests.ConnectionError, 1),
        ("accept_then_500", TwilioRestException, 1),
        ("accept_then_503", TwilioRestException, 1),
        ("garbage_201", JSONDecodeError, 1),
        ("cut_201", requests.exceptions.ChunkedEncodingError, 1),
        ("reset_after", requests.ConnectionError, 1),
        ("500_without_effect", TwilioRestException, 0),
        ("reset_before", requests.ConnectionError, 0),
        ("429", TwilioRestException, 0),
    ],
)
async def test_a_fault_strikes_as_often_as_asked(
    sim: Simulator, client: Client, fault: str, error: type[Exception], accepted: int
) -> None:
    """https://www.twilio.com/docs/api/errors/20500: a POST answered 500 may have been executed."""
    assert await arm(sim, fault=fault, times=1) == 201
    with pytest.raises(error):
        await create(client)
    assert len(sim.twilio.store.order) == accepted

    await create(client, body="again")
    assert len(sim.twilio.store.order) == accepted + 1
    assert sim.faults.triggered == {fault: 1}


@pytest.mark.parametrize(("accepted", "messages"), [(True, 1), (False, 0)])
async def test_a_hanging_request_may_have_been_accepted(
    sim: Simulator, clock: SteppedClock, client: Client, accepted: bool, messages: int
) -> None:
    """https://www.twilio.com/docs/api/errors/20500: no answer says nothing about the message."""
    sim.faults.arm(Fault(name="hang", after=timedelta(seconds=30), accepted=accepted))
    call = asyncio.create_task(create(client))
    await clock.wait_for_sleeper()
    await sim.advance(timedelta(seconds=29))
    assert not call.done()

    await sim.advance(timedelta(seconds=1))
    with pytest.raises(requests.ConnectionError):
        await call
    assert len(sim.twilio.store.order) == messages


async def test_a_reset_after_the_body_may_have_been_without_effect(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/api/errors/20500"""
    assert await arm(sim, fault="reset_after", accepted=False, times=1) == 201
    with pytest.raises(requests.ConnectionError):
        await create(client)
    assert sim.twilio.store.order == []


async def test_a_storm_of_429_passes(sim: Simulator, client: Client) -> None:
    """https://www.twilio.com/docs/api/errors/20429: no effect, so it may be tried again."""
    assert await arm(sim, fault="429", for_seconds=30) == 201
    for _ in range(3):
        with pytest.raises(TwilioRestException) as caught:
            await create(client)
        assert (caught.value.status, caught.value.code) == (429, 20429)
    await sim.advance(timedelta(seconds=30))
    await create(client)
    assert len(sim.twilio.store.order) == 1
    assert sim.faults.armed == []


@pytest.mark.parametrize("fault", ["accept_then_drop", "cut_201", "reset_after", "accept_then_500"])
async def test_a_lost_answer_can_hide_a_cancellation_too(sim: Simulator, client: Client, fault: str) -> None:
    """https://www.twilio.com/docs/api/errors/20500"""
    send_at = sim.clock.now() + timedelta(minutes=10)
    made = await create(client, messaging_service_sid=SERVICE_SID, schedule_type="fixed", send_at=send_at)
    await arm(sim, fault=fault, operation="update", times=1)
    with pytest.raises((TwilioRestException, requests.RequestException)):
        await asyncio.to_thread(lambda: client.messages(made.sid).update(status="canceled"))
    assert sim.twilio.store.messages[made.sid].status == "canceled"


async def test_requests_above_the_accounts_concurrency_have_no_effect(
    sim: Simulator, clock: SteppedClock, connect: Connect
) -> None:
    """https://www.twilio.com/docs/api/errors/20429: it is requests at a time that count."""
    async with Simulator(clock=clock, accounts=(Account(max_concurrency=2),)) as narrow:
        client = connect(narrow)
        narrow.faults.arm(Fault(name="slow", after=timedelta(seconds=1), times=2))
        slow = [asyncio.create_task(create(client, body=f"slow {number}")) for number in range(2)]
        while narrow.faults.triggered["slow"] < 2:
            await asyncio.wait(slow, timeout=0.005)
        with pytest.raises(TwilioRestException) as caught:
            await create(client, body="one too many")
        assert (caught.value.status, caught.value.code) == (429, 20429)
        await narrow.advance(timedelta(seconds=1))
        await asyncio.gather(*slow)
        await create(client, body="now there is room")
        assert "one too many" not in [message.text for message in narrow.twilio.store.order]
        assert len(narrow.twilio.store.order) == 3


async def test_a_slow_answer_is_an_answer(sim: Simulator, clock: SteppedClock, client: Client) -> None:
    sim.faults.arm(Fault(name="slow", after=timedelta(seconds=3)))
    call = asyncio.create_task(create(client))
    await clock.wait_for_sleeper()
    await sim.advance(timedelta(seconds=3))
    assert (await call).status == "queued"


async def test_a_fault_can_strike_the_list(sim: Simulator, client: Client) -> None:
    await arm(sim, fault="500_without_effect", operation="list", times=1)
    await create(client)
    with pytest.raises(TwilioException, match="Unable to fetch page"):
        await asyncio.to_thread(client.messages.list)
    assert len(await asyncio.to_thread(client.messages.list)) == 1


async def test_an_unknown_fault_is_refused_by_name(sim: Simulator) -> None:
    assert await arm(sim, fault="gremlin") == 400
    assert sim.faults.armed == []


async def test_faults_can_be_seen_and_cleared(sim: Simulator) -> None:
    await arm(sim, fault="429")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{sim.base_url}/sim/faults") as response:
            (armed,) = (await response.json())["armed"]
        async with session.delete(f"{sim.base_url}/sim/faults") as response:
            assert response.status == 200
    assert (armed["fault"], armed["times"]) == ("429", None)
    assert sim.faults.take("create") is None


def strikes(seed: int) -> list[bool]:
    faults = Faults(seed)
    faults.arm(Fault(name="429", times=None, probability=0.3))
    return [faults.take("create") is not None for _ in range(200)]


def test_a_probability_strikes_the_same_requests_for_one_seed() -> None:
    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
    assert 30 < sum(strikes(1)) < 90


def test_the_next_n_requests_means_n() -> None:
    faults = Faults(1)
    faults.arm(Fault(name="429", times=2))
    assert [faults.take("create") is not None for _ in range(4)] == [True, True, False, False]
    assert faults.take("list") is None


async def test_a_429_may_say_when_to_come_back(sim: Simulator) -> None:
    async with Simulator(clock=sim.clock, retry_after_s=2) as late:
        late.faults.arm(Fault(name="429"))
        user = aiohttp.encode_basic_auth(late.account.sid, late.account.auth_token)
        url = f"{late.base_url}/2010-04-01/Accounts/{late.account.sid}/Messages.json"
        async with (
            aiohttp.ClientSession(headers={"Authorization": user}) as session,
            session.post(url, data={}) as response,
        ):
            assert (response.status, response.headers["Retry-After"]) == (429, "2")
