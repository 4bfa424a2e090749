"""What analysts query is right at any moment: whatever was merged or not, came twice, late or in another order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.rows import Event
from tests.connectors.clickhouse.fixtures import after, failed, price, sent, status, store

pytestmark = pytest.mark.clickhouse
REPORTS = (
    "SELECT * FROM costs ORDER BY message_id, sid, currency",
    "SELECT * FROM messages ORDER BY message_id",
    "SELECT * EXCEPT inserted_at FROM events ORDER BY event_id",
)
# Two attempts with their own bills, a bill in another currency, late finals, a corrected bill, a price without its
# sending, a failure overtaken by a delivery, and two reports of the same millisecond.
EVENTS: tuple[Event, ...] = (
    sent("m1", 1), status("queued", "m1"), status("sent", "m1"), status("undelivered", "m1", error_code=30003),
    price("0.0079", "m1", 1), price("0.0158", "m1", 1, occurred_at=after(7200)),
    sent("m1", 2, sender="MG2", currency="USD"), status("sent", "m1", 2),
    price("0.02", "m1", 2, currency="EUR"),
    failed("outcome_unknown", "m2", 1), sent("m2", 1, campaign=None), status("delivered", "m2"),
    price("0.0100", "m3", 1), price("0.0101", "m3", 1),
    failed("opted_out", "m4", suppressed=True), status("waiting", "m4", 0, reason="quiet_hours", until=after(60)),
    status("waiting", "m5", 0, reason="back_off"),
    status("waiting", "m5", 0, reason="send_at", event_id="m5/0/waiting/send_at"),
)  # fmt: skip


def one(clickhouse: ClickHouse, sql: str) -> dict[str, Any]:
    found = clickhouse.query(sql)
    (only,) = found.rows
    return dict(zip(found.columns, only, strict=True))


def message(clickhouse: ClickHouse, events: Sequence[Event]) -> dict[str, Any]:
    store(clickhouse, events, one_by_one=True)
    return one(clickhouse, "SELECT * FROM messages")


def answers(clickhouse: ClickHouse) -> list[Any]:
    return [clickhouse.query(sql).rows for sql in REPORTS]


def start_again(clickhouse: ClickHouse) -> None:
    for table in ("event_log", "facts"):
        clickhouse.command(f"TRUNCATE TABLE {table}")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_order_and_repetition_change_no_report(clickhouse: ClickHouse, data: st.DataObject) -> None:
    """Any subset of the events, said once in order, or shuffled, repeated and cut into blocks: the same answers."""
    chosen = data.draw(st.lists(st.sampled_from(EVENTS), min_size=1, unique_by=id))
    again = data.draw(st.lists(st.sampled_from(chosen), max_size=6))
    shuffled = data.draw(st.permutations([*chosen, *again]))
    start_again(clickhouse)
    store(clickhouse, [event for event in EVENTS if event in chosen])
    expected = answers(clickhouse)

    start_again(clickhouse)
    store(clickhouse, shuffled, one_by_one=True)
    assert answers(clickhouse) == expected
    for table in ("event_log", "facts"):
        clickhouse.command(f"OPTIMIZE TABLE {table} FINAL")
    assert answers(clickhouse) == expected


def test_the_simplest_sql_is_right(clickhouse: ClickHouse) -> None:
    store(clickhouse, [sent("a"), sent("b"), sent("c", campaign="fall"), price("0.0158", "a"), price("0.0158", "a")])
    store(clickhouse, [sent("a"), price("0.01", "c", campaign="fall"), price("0.02", "c", campaign="fall",
                                                                             occurred_at=after(9999))])  # fmt: skip
    found = clickhouse.query("SELECT campaign, sum(estimated), sum(billed) FROM costs GROUP BY campaign ORDER BY 1")
    assert found.rows == (
        ("fall", Decimal("0.0158"), Decimal("0.02")),
        ("spring", Decimal("0.0316"), Decimal("0.0158")),
    )


def test_a_bill_counts_on_the_day_of_its_sending(clickhouse: ClickHouse) -> None:
    store(clickhouse, [sent(), price("0.02", occurred_at=after(7 * 86400))])
    assert one(clickhouse, "SELECT toString(day) AS day, billed FROM costs") == {
        "day": "2026-05-01",
        "billed": Decimal("0.02"),
    }


def test_a_bill_in_another_currency_is_never_added_to_the_estimate(clickhouse: ClickHouse) -> None:
    store(clickhouse, [sent(), price("0.02", currency="EUR")])
    found = clickhouse.query("SELECT currency, estimated, billed, segments, priced FROM costs ORDER BY currency")
    assert found.rows == (
        ("EUR", Decimal(0), Decimal("0.02"), 0, 1),
        ("USD", Decimal("0.0158"), Decimal(0), 2, 0),
    )


def test_two_accepted_attempts_are_two_costs_of_one_message(clickhouse: ClickHouse) -> None:
    store(clickhouse, [sent(attempt=1), sent(attempt=2), price("0.01", attempt=1), price("0.02", attempt=2)])
    assert clickhouse.query("SELECT count(), sum(billed) FROM costs").rows == ((2, Decimal("0.03")),)
    assert one(clickhouse, "SELECT accepted, attempts, sid FROM messages") == {
        "accepted": 2,
        "attempts": 2,
        "sid": "SM-m1-2",
    }


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([status("waiting", attempt=0, reason="send_at")], ("waiting", "send_at")),
        ([sent(), status("waiting", attempt=0, reason="send_at")], ("accepted", "")),
        ([status("delivered"), status("sent", occurred_at=after(99)), sent()], ("delivered", "")),
        ([status("undelivered"), status("delivered")], ("delivered", "")),
        ([status("no_final_status"), status("sent")], ("no_final_status", "")),
        ([status("undelivered"), failed("carrier_refused", attempt=1)], ("undelivered", "carrier_refused")),
        ([status("undelivered")], ("undelivered", "undelivered")),
        ([failed("outcome_unknown", attempt=1), sent()], ("accepted", "")),
        ([failed("rejected", attempt=1), sent(attempt=2)], ("accepted", "")),
        ([failed("rejected", attempt=2), sent(attempt=1)], ("failed", "rejected")),
        ([failed("expired"), status("replay_refused", attempt=0, reason="permanent", occurred_at=after(9))],
         ("failed", "expired")),
    ],
)  # fmt: skip
def test_a_message_stands_where_its_strongest_word_puts_it(
    clickhouse: ClickHouse, events: list[Event], expected: tuple[str, str]
) -> None:
    found = message(clickhouse, events)
    assert (found["status"], found["reason"]) == expected


def test_a_suppressed_message_has_not_failed(clickhouse: ClickHouse) -> None:
    found = message(clickhouse, [failed("opted_out", suppressed=True)])
    assert (found["suppressed"], found["failed"], found["status"]) == (1, 0, "suppressed")


def test_a_scheduled_message_cancelled_by_a_stop_is_suppressed(clickhouse: ClickHouse) -> None:
    found = message(clickhouse, [sent(), failed("opted_out", attempt=1, suppressed=True), status("canceled")])
    assert (found["suppressed"], found["failed"], found["status"]) == (1, 0, "canceled")


def test_a_message_knows_its_times(clickhouse: ClickHouse) -> None:
    found = message(clickhouse, [sent(), status("delivered")])
    assert (found["requested_at"], found["called_at"]) == (after(0), after(0.25))
    assert (found["sent_at"], found["delivered_at"]) == (after(1), after(2))


def test_an_unknown_status_of_twilio_is_kept_and_stands_lowest(clickhouse: ClickHouse) -> None:
    assert message(clickhouse, [status("teleported")])["status"] == "teleported"
