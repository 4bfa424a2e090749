"""Prices as Twilio states them: https://support.twilio.com/hc/en-us/articles/46871410243099"""

from datetime import timedelta
from decimal import Decimal

import pytest

from connectors.simulator.carrier.prices import compute_charges, compute_price
from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.messages import Message
from connectors.simulator.model.settings import DelayRange, Latencies
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import ALWAYS, PERSON, SENDER


def price(status: str, code: int | None, person: str, segments: int, *, failed_fee: bool = True) -> Decimal | None:
    return compute_price(compute_charges(status, code, person, segments), failed_fee=failed_fee)


def test_every_segment_is_charged_with_its_carrier_fee() -> None:
    """https://support.twilio.com/hc/en-us/articles/46871410243099: one figure, the carrier's fee in it."""
    one, three = price("delivered", None, PERSON, 1), price("delivered", None, PERSON, 3)
    assert one in (Decimal("-0.01180"), Decimal("-0.01280"))
    assert three == one * 3
    assert str(three).count("0") >= 2


def test_an_undelivered_message_is_charged_like_a_delivered_one() -> None:
    """https://support.twilio.com/hc/en-us/articles/223181728"""
    assert price("undelivered", 30003, PERSON, 2) == price("delivered", None, PERSON, 2)


def test_outside_the_us_there_is_no_carrier_fee() -> None:
    assert str(price("delivered", None, "+447700900123", 1)) == "-0.04630"


@pytest.mark.parametrize(
    ("code", "fee"), [(30007, "-0.00100"), (21610, "-0.00100"), (30001, "-0.00100"), (30008, None), (30036, None)]
)
def test_a_failed_message_costs_its_fee_once_unless_exempt(code: int, fee: str | None) -> None:
    """https://support.twilio.com/hc/en-us/articles/27502337507483"""
    amount = price("failed", code, PERSON, 5)
    assert (None if amount is None else str(amount)) == fee


EXEMPT = (
    *(12400, 20500, 20504, 30103, 30500, 63010, 63012, 30036, 30002, 30454, 63038, 90010, 30450, 21408),
    *(63013, 63018, 63021, 63024, 63032, 30008),
)


@pytest.mark.parametrize("code", EXEMPT)
def test_these_failures_are_exempt(code: int) -> None:
    """https://support.twilio.com/hc/en-us/articles/27502337507483, the whole list."""
    assert price("failed", code, PERSON, 5) is None


async def test_a_price_may_come_a_day_after_delivery() -> None:
    """https://support.twilio.com/hc/en-us/articles/46871410243099: up to 24 hours."""
    late = Latencies(price=DelayRange(timedelta(hours=23), timedelta(hours=24)))
    async with Simulator(clock=SteppedClock(), mix=ALWAYS, latencies=late) as sim:
        form = {"To": [PERSON], "From": [SENDER], "Body": ["Hello"]}
        message = sim.twilio.create(sim.account, form, sim.clock.now())
        assert isinstance(message, Message)
        await sim.advance(timedelta(hours=22))
        assert (message.status, message.price) == ("delivered", None)
        await sim.advance(timedelta(hours=3))
        assert message.price == price("delivered", None, PERSON, 1)


def test_the_fee_can_be_kept_out_of_the_price() -> None:
    assert price("failed", 30007, PERSON, 1, failed_fee=False) is None


def test_a_canceled_message_costs_nothing() -> None:
    assert price("canceled", None, PERSON, 1) is None
