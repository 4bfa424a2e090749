"""STOP to a toll-free number: its network keeps it, Twilio does not."""

import pytest
from twilio.rest import Client

from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.settings import SERVICE_SID, Service
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import ALWAYS, PERSON, Connect, Receiver, account, create

TOLL_FREE = "+18335550100"


async def heard(sim: Simulator, *bodies: str) -> None:
    for body in bodies:
        sim.twilio.receive(PERSON, TOLL_FREE, body, sim.clock.now())
        await sim.settle()


async def ends(sim: Simulator, client: Client) -> tuple[str, int | None]:
    message = await create(client, from_=TOLL_FREE)
    assert message.status == "queued"
    await sim.settle()
    kept = sim.twilio.store.messages[message.sid]
    return kept.status, kept.code


async def test_a_stop_shows_only_when_the_network_refuses_the_message(
    sim: Simulator, client: Client, receiver: Receiver
) -> None:
    """https://support.twilio.com/hc/en-us/articles/360058144374 and https://www.twilio.com/docs/api/errors/30004"""
    await heard(sim, "STOP")
    assert await ends(sim, client) == ("undelivered", 30004)
    assert receiver.received[0].fields["Body"] == "STOP"
    assert [message.kind for message in sim.twilio.store.order] == ["inbound", "api"]


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("START", ("delivered", None)),
        ("unstop", ("delivered", None)),
        ("YES", ("undelivered", 30004)),
        ("start please", ("undelivered", 30004)),
    ],
)
async def test_only_start_and_unstop_undo_it(
    sim: Simulator, client: Client, said: str, end: tuple[str, int | None]
) -> None:
    """https://support.twilio.com/hc/en-us/articles/360058144374"""
    await heard(sim, "STOP", said)
    assert await ends(sim, client) == end


async def test_advanced_opt_out_has_no_say_over_it(connect: Connect, receiver: Receiver) -> None:
    """https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: no `OptOutType`, and one number is blocked."""
    service = Service(numbers=(TOLL_FREE, "+12025550103"), advanced_opt_out=True)
    accounts = (account(receiver, services=(service,)),)
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, accounts=accounts) as sim:
        await heard(sim, "STOP")
        assert "OptOutType" not in receiver.received[0].fields
        client = connect(sim)
        by_sender = {
            sender: await create(client, messaging_service_sid=SERVICE_SID, from_=sender) for sender in service.numbers
        }
        await sim.settle()
        ended = {sender: sim.twilio.store.messages[made.sid].code for sender, made in by_sender.items()}
    assert ended == {TOLL_FREE: 30004, "+12025550103": None}


async def test_help_is_twilios_also_there(sim: Simulator) -> None:
    """https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out"""
    await heard(sim, "HELP")
    assert [message.kind for message in sim.twilio.store.order] == ["inbound", "confirmation"]


async def test_a_number_of_the_service_stays_blocked_by_twilio(sim: Simulator, client: Client) -> None:
    """https://support.twilio.com/hc/en-us/articles/223134027: the scopes don't mix."""
    sim.twilio.receive(PERSON, "+12025550103", "STOP", sim.clock.now())
    assert await ends(sim, client) == ("delivered", None)
