"""The bill, beside the prices it is to agree with."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.http.invoice import build_invoice
from connectors.simulator.http.ledger import ledger_summary
from connectors.simulator.model.messages import Message
from connectors.simulator.model.settings import (
    ACCOUNT_SID,
    TEST_ACCOUNT_SID,
    DelayRange,
    Latencies,
    OutcomeWeight,
    SimulationSettings,
)
from tests.connectors.simulator.conftest import PERSON, SENDER

NOW = datetime(2026, 1, 5, 23, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
MIX = (
    OutcomeWeight("delivered", None, 0.6),
    OutcomeWeight("undelivered", 30003, 0.2),
    OutcomeWeight("failed", 30007, 0.2),
)


def create(twilio: SimulatedTwilio, body: str, to: str = PERSON, now: datetime = NOW) -> Message:
    made = twilio.create(twilio.settings.accounts[0], {"To": [to], "From": [SENDER], "Body": [body]}, now)
    assert isinstance(made, Message)
    return made


def lines(bill: dict[str, Any]) -> dict[str, tuple[int, int, str]]:
    return {line["category"]: (line["count"], line["segments"], line["price"]) for line in bill["lines"]}


def test_it_says_on_lines_of_its_own_what_a_price_holds() -> None:
    """https://support.twilio.com/hc/en-us/articles/46871410243099: `price` is one figure, the carrier fee in it."""
    twilio = SimulatedTwilio(SimulationSettings(carriers={PERSON: "att"}))
    twilio.lifecycle.script(PERSON, "delivered", None, 1)
    text = create(twilio, "x" * 161)
    twilio.run_due(LATER)
    bill = build_invoice(twilio)
    assert lines(bill) == {"sms-outbound": (1, 2, "0.0166"), "sms-messages-carrierfees": (1, 2, "0.0070")}
    assert (bill["total"], text.price) == ("0.02360", Decimal("-0.02360"))


@pytest.mark.parametrize("in_price", [True, False])
def test_it_agrees_with_all_prices_but_for_fees_kept_out_of_them(in_price: bool) -> None:
    """https://support.twilio.com/hc/en-us/articles/27502337507483: the fee is 0.001 per failed message."""
    twilio = SimulatedTwilio(SimulationSettings(mix=MIX, failed_fee_in_price=in_price))
    for number in range(60):
        create(twilio, f"text {number}" * 30, to=f"+121255501{number:02d}")
    twilio.receive(PERSON, SENDER, "Hi", NOW)
    twilio.run_due(LATER)
    bill, told = build_invoice(twilio), ledger_summary(twilio)
    fee = Decimal(lines(bill)["failed-message-processing-fee"][2])
    assert fee == told["by_error"]["30007"] * Decimal("0.001")
    assert Decimal(bill["total"]) - Decimal(told["cost"]) == (0 if in_price else fee)
    assert Decimal(bill["total"]) == sum(Decimal(line["price"]) for line in bill["lines"])


def test_it_does_not_wait_for_prices() -> None:
    """https://support.twilio.com/hc/en-us/articles/46871410243099: a price may take a day."""
    twilio = SimulatedTwilio(
        SimulationSettings(latencies=Latencies(price=DelayRange(timedelta(hours=20), timedelta(hours=24))))
    )
    twilio.lifecycle.script(PERSON, "delivered", None, 1)
    text = create(twilio, "Hello")
    twilio.run_due(NOW + timedelta(hours=19))
    assert (text.status, text.price) == ("delivered", None)
    assert Decimal(build_invoice(twilio)["total"]) > 0
    twilio.run_due(NOW + timedelta(hours=25))
    assert text.price is not None
    assert Decimal(build_invoice(twilio)["total"]) == -text.price


def test_days_and_accounts_choose() -> None:
    """https://support.twilio.com/hc/en-us/articles/360016571913: usage is by GMT day."""
    twilio = SimulatedTwilio(SimulationSettings())
    create(twilio, "one")
    twilio.run_due(NOW + timedelta(minutes=1))
    create(twilio, "two", now=NOW + timedelta(hours=2))
    twilio.run_due(LATER)
    whole, first, second = (
        build_invoice(twilio),
        *(build_invoice(twilio, since=day, until=day) for day in (FIRST, SECOND)),
    )
    assert lines(first)["sms-outbound"][0] == lines(second)["sms-outbound"][0] == 1
    assert Decimal(first["total"]) + Decimal(second["total"]) == Decimal(whole["total"])
    assert build_invoice(twilio, account=ACCOUNT_SID)["total"] == whole["total"]
    assert build_invoice(twilio, account=TEST_ACCOUNT_SID)["lines"] == []


FIRST, SECOND = date(2026, 1, 5), date(2026, 1, 6)


def test_what_never_left_and_what_was_canceled_is_not_on_it() -> None:
    """https://support.twilio.com/hc/en-us/articles/223181728"""
    twilio = SimulatedTwilio(SimulationSettings())
    create(twilio, "waits")
    assert build_invoice(twilio) == {
        "account_sid": None,
        "since": None,
        "until": None,
        "currency": "USD",
        "lines": [],
        "total": "0.00000",
    }
