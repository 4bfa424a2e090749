"""Price and status from Twilio's list, each published once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from schemas.enums import Outcome
from schemas.records import AttemptResult, Price, StatusChanged, TwilioCallback
from tests.builders import callback, list_entry, result
from tests.processors.core.person.stage import only, stage_with


def test_the_list_brings_the_price_once() -> None:
    stage = stage_with()
    stage.feed(result())
    entry = list_entry(price=Decimal("0.0079"), currency="USD")
    price = only(stage.feed(entry), Price)
    assert (price.price, price.currency, price.segments) == (Decimal("0.0079"), "USD", 1)
    assert stage.feed(entry) == []


@pytest.mark.parametrize("evidence", [result(), callback("sent")], ids=["answer", "callback"])
def test_a_price_that_is_listed_before_the_sid_is_known_is_not_lost(evidence: AttemptResult | TwilioCallback) -> None:
    """The list shows it once, and may overtake the answer and every callback."""
    stage = stage_with()
    foreign = list_entry(message_sid="SM" + "9" * 32, price=Decimal("0.5"), currency="USD")
    assert stage.feed(list_entry(price=Decimal("0.0079"), currency="USD")) == []
    assert stage.feed(foreign) == []

    records = stage.feed(evidence)
    assert only(records, Price).price == Decimal("0.0079")
    assert [event.status for event in stage.published_of(StatusChanged) if event.final] == ["delivered"]
    assert stage.messages["m1"].pending_list_entries == []
    assert stage.feed(foreign) == []
    assert stage.messages["m1"].pending_list_entries == []


def test_an_entry_is_buffered_for_as_long_as_the_outcome_is_unknown() -> None:
    stage = stage_with()
    stage.feed(list_entry(price=Decimal("0.0079"), currency="USD"))
    stage.feed(result(outcome=Outcome.UNKNOWN))
    assert [entry.message_sid for entry in stage.messages["m1"].pending_list_entries] == [list_entry().message_sid]

    assert only(stage.feed(callback("delivered")), Price).price == Decimal("0.0079")


def test_an_entry_of_another_systems_message_publishes_nothing() -> None:
    assert stage_with().feed(list_entry(message_sid="SM" + "9" * 32)) == []
