"""Compares the tables' newest states and ClickHouse's rows with the simulator's ledger. Values only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from processors.core.person import consent as consents
from schemas.records import Failed, Price, Sent, StatusChanged
from schemas.states import ConsentRecord, MessageState, Phase

PUBLIC = (Sent, StatusChanged, Failed, Price)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """What ClickHouse has of one message. ``prices`` are positive."""

    event_ids: frozenset[str]
    sids: frozenset[str]
    prices: frozenset[Decimal]


def read_stored(report: Mapping[str, Any]) -> Stored:
    """Read the sink's report on a message."""
    rows = [dict(zip(report["columns"], row, strict=True)) for row in report["rows"]]
    return Stored(
        frozenset(row["event_id"] for row in rows),
        frozenset(row["sid"] for row in rows if row["kind"] == "sent"),
        frozenset(abs(Decimal(row["amount"])) for row in rows if row["kind"] == "price"),
    )


def table_faults(state: MessageState | None, rows: Sequence[Row]) -> Iterator[str]:
    """How the table's state of an ended message differs from the ledger."""
    if state is None:
        yield "the changelog has no state of it"
        return
    if state.phase is not Phase.FINISHED:
        yield f"it has ended, its state is {state.phase}"
    sids = {attempt.sid for attempt in state.attempts if attempt.sid is not None}
    if sids != {row["sid"] for row in rows}:
        yield f"the state knows {sorted(sids)}, the ledger {[row['sid'] for row in rows]}"
    if rows and state.status != rows[-1]["status"]:
        yield f"the state's status is {state.status}, the ledger's {rows[-1]['status']}"
    billed = {attempt.price for attempt in state.attempts if attempt.price is not None}
    if {abs(price) for price in billed} != _prices(rows):
        yield f"the state's prices are {billed}, the ledger's {_prices(rows)}"


def consent_faults(consent: ConsentRecord | None) -> Iterator[str]:
    """How the table differs for a person who said STOP."""
    if consent is None or not consents.is_opted_out(consent, None):
        yield f"said STOP, and the table has {consent}"


def clickhouse_faults(stored: Stored | None, events: Sequence[Any], rows: Sequence[Row]) -> Iterator[str]:
    """How ClickHouse differs from the topics and the ledger."""
    if stored is None:
        yield "ClickHouse does not answer"
        return
    published = {event.event_id for event in events if isinstance(event, PUBLIC)}
    if stored.event_ids != published:
        missing, extra = sorted(published - stored.event_ids), sorted(stored.event_ids - published)
        yield f"ClickHouse lacks {missing} and has {extra} too much"
    if stored.sids != {row["sid"] for row in rows}:
        yield f"ClickHouse counts {sorted(stored.sids)} as sent, the ledger {[row['sid'] for row in rows]}"
    if stored.prices != _prices(rows):
        yield f"ClickHouse has the prices {stored.prices}, the ledger {_prices(rows)}"


def _prices(rows: Sequence[Row]) -> frozenset[Decimal]:
    return frozenset(abs(Decimal(row["price"])) for row in rows if row["price"] is not None)
