"""The ledger: what was accepted and what became of it; it survives the process."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from twilio.rest import Client

from connectors.simulator.clock import SteppedClock
from connectors.simulator.http.ledger import ledger_rows, ledger_summary
from connectors.simulator.model.settings import SERVICE_SID
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import ALWAYS, PERSON, SENDER, Connect, Receiver, create


async def get(sim: Simulator, path: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(sim.base_url + path) as response:
        assert response.status == 200
        return await response.read()


async def test_a_row_tells_everything_about_a_message(sim: Simulator, client: Client, receiver: Receiver) -> None:
    url = f"{receiver.url}/cb?attempt=m%2F1"
    sid = (await create(client, messaging_service_sid=SERVICE_SID, body="x" * 161, status_callback=url)).sid
    await sim.settle()

    (line,) = (await get(sim, "/sim/ledger")).splitlines()
    row = orjson.loads(line)
    assert (row["number"], row["sid"], row["kind"], row["to"], row["service"]) == (1, sid, "api", PERSON, SERVICE_SID)
    assert (row["callback_url"], row["status"], row["final"], row["segments"]) == (url, "delivered", True, 2)
    assert [step["status"] for step in row["statuses"]] == ["accepted", "queued", "sent", "delivered"]
    assert row["callbacks"] == {"queued": "delivered", "sent": "delivered", "delivered": "delivered"}
    assert Decimal(row["price"]) < 0


async def test_the_ledger_comes_in_pages(sim: Simulator, client: Client) -> None:
    for number in range(5):
        await create(client, body=f"n{number}")
    lines = (await get(sim, "/sim/ledger?after=1&limit=2")).splitlines()
    assert [orjson.loads(line)["body"] for line in lines] == ["n1", "n2"]


async def test_the_summary_adds_up_to_the_last_digit(sim: Simulator, client: Client) -> None:
    for number in range(20):
        await create(client, to=f"+121255501{number:02d}", body="x" * 40 * number + ".")
    await sim.settle()

    told = orjson.loads(await get(sim, "/sim/summary"))
    prices = [Decimal(row["price"]) for row in ledger_rows(sim.twilio)]
    assert Decimal(told["cost"]) == -sum(prices)
    assert told["cost"] == f"{-sum(prices):f}"
    assert (told["messages"], told["open"], told["priced"]) == (20, 0, 20)
    assert told["by_status"] == {"delivered": 20}
    assert told["api_responses"] == {"201": 20}
    assert told["by_kind"]["api"]["segments"] == told["segments"]


async def test_a_reset_forgets_messages_and_blocks_but_repeats_no_sid(sim: Simulator, client: Client) -> None:
    first = (await create(client)).sid
    sim.twilio.receive("+12125550109", SENDER, "STOP", sim.clock.now())
    async with aiohttp.ClientSession() as session, session.post(f"{sim.base_url}/sim/reset") as response:
        assert response.status == 200

    assert (sim.twilio.store.order, sim.twilio.store.blocked, sim.twilio.next_due()) == ([], set(), None)
    assert (await create(client)).sid != first


def same(twilio: Any) -> bytes:
    return orjson.dumps(ledger_rows(twilio))


async def test_a_restart_keeps_messages_and_goes_on(connect: Connect, receiver: Receiver, tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.jsonl", SteppedClock()
    async with Simulator(clock=clock, mix=ALWAYS, ledger_path=path) as sim:
        client = connect(sim)
        await create(client, body="done", status_callback=receiver.url)
        sim.twilio.receive("+12125550109", SENDER, "STOP", clock.now())
        await sim.settle()
        receiver.received.clear()
        send_at = clock.now() + timedelta(minutes=10)
        scheduled = {"schedule_type": "fixed", "send_at": send_at, "messaging_service_sid": SERVICE_SID}
        await create(client, status_callback=receiver.url, **scheduled)
        await create(client, body="open", status_callback=receiver.url)
        before = same(sim.twilio)

    async with Simulator(clock=clock, mix=ALWAYS, ledger_path=path) as sim:
        assert same(sim.twilio) == before
        assert sim.twilio.store.blocked == {(SENDER, "+12125550109")}
        await sim.settle()
        assert sorted(receiver.statuses()) == ["delivered", "delivered", "queued", "sent", "sent"]
        assert ledger_summary(sim.twilio)["by_status"] == {"delivered": 4, "received": 1}
        assert ledger_summary(sim.twilio)["priced"] == 5


async def test_a_callback_that_nobody_took_is_posted_after_a_restart(
    connect: Connect, receiver: Receiver, tmp_path: Path
) -> None:
    path, clock = tmp_path / "ledger.jsonl", SteppedClock()
    async with Simulator(clock=clock, mix=ALWAYS, ledger_path=path) as sim:
        await create(connect(sim), status_callback=receiver.url)
        sim.twilio.run_due(clock.now() + timedelta(minutes=1))

    async with Simulator(clock=clock, mix=ALWAYS, ledger_path=path) as sim:
        await sim.settle()
    assert receiver.statuses() == ["sent", "delivered"]


async def test_a_line_torn_by_a_kill_is_cut_off(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    async with Simulator(clock=SteppedClock(), ledger_path=path) as sim:
        await create(connect(sim), body="kept")
    with path.open("ab") as file:
        file.write(b'{"type": "message", "sid": "SM')

    async with Simulator(clock=SteppedClock(), ledger_path=path) as sim:
        assert [message.text for message in sim.twilio.store.order] == ["kept"]
        await create(connect(sim), body="new")
    async with Simulator(clock=SteppedClock(), ledger_path=path) as sim:
        assert [message.text for message in sim.twilio.store.order] == ["kept", "new"]
