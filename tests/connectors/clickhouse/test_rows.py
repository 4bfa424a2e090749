"""Events become rows; no text of a message is among them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connectors.clickhouse.errors import Unstorable
from connectors.clickhouse.rows import COLUMNS, Event, event_row
from tests.connectors.clickhouse.fixtures import NOW, failed, price, sent, status


def named(event: Event) -> dict[str, object]:
    return dict(zip(COLUMNS, event_row(event), strict=True))


@pytest.mark.parametrize("event", [sent(), status("delivered"), failed("expired"), price("0.01")])
def test_a_column_holds_the_events_field_of_that_name(event: Event) -> None:
    found = named(event)
    shared = [name for name in COLUMNS if hasattr(event, name)]
    assert {name: found[name] for name in shared} == {
        name: getattr(event, name) if getattr(event, name) is not None or name in NULLABLE else EMPTY.get(name, "")
        for name in shared
    }


NULLABLE = {"error_code", "requested_at", "called_at", "until"}
EMPTY: dict[str, object] = {"segments": 0}


def test_amounts_stand_in_one_column_with_their_currency() -> None:
    assert named(sent(estimated_cost=Decimal("0.5")))["amount"] == Decimal("0.5")
    assert named(price("0.7", currency="EUR"))["amount"] == Decimal("0.7")
    assert named(price("0.7", currency="EUR"))["currency"] == "EUR"


def test_no_row_holds_a_text() -> None:
    assert "a secret text" not in repr(event_row(failed("expired")))


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (sent(segments=-1), "segments"),
        (sent(attempt=2**32), "attempt"),
        (status("failed", error_code=-5), "error_code"),
        (price("1000000000000"), "amount"),
        (sent(called_at=datetime(9999, 1, 1, tzinfo=UTC)), "called_at"),
        (status("sent", occurred_at=NOW.replace(year=1969)), "occurred_at"),
    ],
)
def test_a_value_no_column_can_hold_names_its_field(event: Event, name: str) -> None:
    with pytest.raises(Unstorable, match=f"^{name} is "):
        event_row(event)
