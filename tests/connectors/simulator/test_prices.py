"""Prices as Twilio states them: https://support.twilio.com/hc/en-us/articles/46871410243099"""

from decimal import Decimal

import pytest

from connectors.simulator.prices import price

PERSON = "+12125550101"


def test_every_segment_is_charged_with_its_carrier_fee() -> None:
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


def test_the_fee_can_be_kept_out_of_the_price() -> None:
    assert price("failed", 30007, PERSON, 1, failed_fee=False) is None


def test_a_canceled_message_costs_nothing() -> None:
    assert price("canceled", None, PERSON, 1) is None
