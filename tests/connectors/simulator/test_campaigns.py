"""10DLC: one rate over all numbers of a campaign, and T-Mobile's count per brand and day."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.carrier.routes import cap_day
from connectors.simulator.clock import SteppedClock
from connectors.simulator.http.ledger import ledger_summary
from connectors.simulator.model.messages import Message
from connectors.simulator.model.settings import (
    SERVICE_NUMBERS,
    SERVICE_SID,
    Account,
    Brand,
    Campaign,
    DelayRange,
    Latencies,
    Service,
)
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import ALWAYS

PEOPLE = tuple(f"+121255501{n:02d}" for n in range(100))
OTHER_SID = "MG" + "2" * 32
AT_ONCE = Latencies(choose=DelayRange.ms(0, 0), depart=DelayRange.ms(0, 0))
SEVEN_MORNING = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)  # in California


def simulator(campaign: Campaign, *, carrier: str = "tmobile", journal: Path | None = None) -> Simulator:
    services = (
        Service(campaign=campaign),
        Service(sid=OTHER_SID, numbers=("+12025550190",), campaign=Campaign(sid="QE2", brand=campaign.brand)),
    )
    return Simulator(
        clock=SteppedClock(SEVEN_MORNING),
        mix=ALWAYS,
        accounts=(Account(services=services),),
        carriers=dict.fromkeys(PEOPLE, carrier),
        latencies=AT_ONCE,
        ledger_path=journal,
    )


def send(
    twilio: SimulatedTwilio, now: datetime, count: int, *, service: str = SERVICE_SID, body: str = "Hello"
) -> None:
    for person in PEOPLE[:count]:
        made = twilio.create(
            twilio.settings.accounts[0], {"To": [person], "MessagingServiceSid": [service], "Body": [body]}, now
        )
        assert isinstance(made, Message)


async def test_all_numbers_of_a_campaign_share_its_rate() -> None:
    """https://support.twilio.com/hc/en-us/articles/115002943027: more numbers add nothing."""
    async with simulator(Campaign(rate=2.0, carrier_rate=None)) as sim:
        send(sim.twilio, sim.clock.now(), 20)
        await sim.settle()
        sent = sorted(message.sent_at or sim.clock.now() for message in sim.twilio.store.order)
        senders = {message.sender for message in sim.twilio.store.order}
    assert len(senders) > 1
    assert {later - earlier for earlier, later in pairwise(sent)} == {timedelta(seconds=0.5)}


async def test_a_carrier_refuses_what_is_above_its_rate() -> None:
    """https://www.twilio.com/docs/api/errors/30022; here counted by the minute, and billed as handed over."""
    async with simulator(Campaign(rate=100.0, carrier_rate=0.5), carrier="att") as sim:
        send(sim.twilio, sim.clock.now(), 40)
        await sim.settle()
        assert ledger_summary(sim.twilio)["by_error"] == {"30022": 10}
        assert {m.status for m in sim.twilio.store.order if m.code == 30022} == {"undelivered"}
        assert all(message.price is not None for message in sim.twilio.store.order)

        await sim.advance(timedelta(minutes=1))
        send(sim.twilio, sim.clock.now(), 30, body="next minute")
        await sim.settle()
        assert ledger_summary(sim.twilio)["by_error"] == {"30022": 10}


async def test_tmobile_takes_so_many_segments_of_a_brand_a_day() -> None:
    """https://www.twilio.com/docs/api/errors/30023: over all campaigns of the brand."""
    async with simulator(Campaign(brand=Brand(tmobile_daily_cap=50), rate=100, carrier_rate=None)) as sim:
        send(sim.twilio, sim.clock.now(), 20, body="x" * 161)
        await sim.settle()
        send(sim.twilio, sim.clock.now(), 15, service=OTHER_SID)
        await sim.settle()
        assert ledger_summary(sim.twilio)["by_error"] == {"30023": 5}


async def test_other_carriers_have_no_such_cap() -> None:
    """https://www.twilio.com/docs/api/errors/30023"""
    async with simulator(Campaign(brand=Brand(tmobile_daily_cap=5)), carrier="verizon") as sim:
        send(sim.twilio, sim.clock.now(), 20)
        await sim.settle()
        assert ledger_summary(sim.twilio)["by_error"] == {}


async def test_the_count_starts_again_at_midnight_in_california() -> None:
    """https://www.twilio.com/docs/api/errors/30023"""
    async with simulator(Campaign(brand=Brand(tmobile_daily_cap=10))) as sim:
        send(sim.twilio, sim.clock.now(), 10)
        await sim.advance(timedelta(hours=16, minutes=59))
        send(sim.twilio, sim.clock.now(), 1, body="before midnight")
        await sim.advance(timedelta(minutes=2))
        send(sim.twilio, sim.clock.now(), 10, body="after midnight")
        await sim.settle()
        refused = [message.text for message in sim.twilio.store.order if message.code == 30023]
    assert refused == ["before midnight"]


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-01-06T07:59:59+00:00", "2026-01-05"),
        ("2026-01-06T08:00:00+00:00", "2026-01-06"),
        ("2026-07-06T06:59:59+00:00", "2026-07-05"),
        ("2026-07-06T07:00:00+00:00", "2026-07-06"),
    ],
)
def test_its_day_follows_daylight_saving_time(now: str, day: str) -> None:
    """https://www.twilio.com/docs/api/errors/30023: Pacific time."""
    assert cap_day(datetime.fromisoformat(now)).isoformat() == day


async def test_a_restart_gives_no_second_allowance(tmp_path: Path) -> None:
    """https://www.twilio.com/docs/api/errors/30023: the count is T-Mobile's, whatever happens at Twilio."""
    path, campaign = tmp_path / "journal.jsonl", Campaign(brand=Brand(tmobile_daily_cap=10))
    async with simulator(campaign, journal=path) as sim:
        send(sim.twilio, sim.clock.now(), 10)
        await sim.settle()
    async with simulator(campaign, journal=path) as sim:
        send(sim.twilio, sim.clock.now(), 3, body="again")
        await sim.settle()
        assert ledger_summary(sim.twilio)["by_error"] == {"30023": 3}


async def test_a_refusal_under_way_outlives_a_restart(tmp_path: Path) -> None:
    """https://www.twilio.com/docs/api/errors/30023"""
    path, campaign = tmp_path / "journal.jsonl", Campaign(brand=Brand(tmobile_daily_cap=0))
    async with simulator(campaign, journal=path) as sim:
        send(sim.twilio, sim.clock.now(), 1)
        await sim.advance(timedelta(milliseconds=5))
        assert [message.status for message in sim.twilio.store.order] == ["sent"]
        await sim.engine.webhook_client.wait_idle()
    async with simulator(campaign, journal=path) as sim:
        await sim.settle()
        assert [(message.status, message.code) for message in sim.twilio.store.order] == [("undelivered", 30023)]


async def test_toll_free_short_codes_and_other_countries_are_outside() -> None:
    """https://support.twilio.com/hc/en-us/articles/115002943027: campaigns are for ten-digit numbers to the US."""
    async with simulator(Campaign()) as sim:
        routes, mine = sim.twilio.lifecycle.routes, sim.account
        assert routes.campaign(mine, SERVICE_NUMBERS[0], PEOPLE[0]) is not None
        assert routes.campaign(mine, SERVICE_NUMBERS[0], "+447700900123") is None
        assert routes.campaign(mine, SERVICE_NUMBERS[0], "+14165550123") is None
        assert routes.campaign(mine, "+18335550100", PEOPLE[0]) is None
        assert routes.campaign(mine, "55555", PEOPLE[0]) is None
