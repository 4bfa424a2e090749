"""Public events → rows of ``event_log``. Pure.

Texts of messages never go to ClickHouse: no event has them but ``Failed.request``, which is left out. ``person`` is
stored as it came, a phone number: personal data, to be guarded and deleted as such (docs/cost.md).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from connectors.clickhouse.errors import Unstorable
from schemas.records import Failed, Price, Sent, StatusChanged

TABLE = "event_log"
Event = Sent | StatusChanged | Failed | Price
Row = tuple[Any, ...]

COLUMNS = (
    "event_id", "kind", "message_id", "attempt", "sid", "person", "country", "sender", "number_type", "tenant",
    "campaign", "program", "message_class", "encoding", "segments", "status", "final", "reason", "detail",
    "error_code", "suppressed", "replayable", "amount", "currency", "tags", "requested_at", "called_at", "until",
    "occurred_at",
)  # fmt: skip

_NOTHING = Decimal(0)
_UINT32 = 2**32
_AMOUNT = Decimal(10) ** 12
_YEARS = range(1970, 2200)
_INTS = tuple(COLUMNS.index(name) for name in ("attempt", "segments", "error_code"))
_TIMES = tuple(COLUMNS.index(name) for name in ("requested_at", "called_at", "until", "occurred_at"))
_MONEY = COLUMNS.index("amount")


def event_row(event: Event) -> Row:
    """The event's row, in the order of `COLUMNS`. Raises Unstorable."""
    found = _ROWS[type(event)](event)
    _check(found)
    return found


def _check(values: Row) -> None:
    """What ClickHouse's types cannot hold would stop the sink for ever, or be stored as something else."""
    for place in _INTS:
        number: int | None = values[place]
        if number is not None and not 0 <= number < _UINT32:
            raise Unstorable(f"{COLUMNS[place]} is {number}: expected 0 to {_UINT32 - 1}")
    for place in _TIMES:
        time: datetime | None = values[place]
        if time is not None and time.year not in _YEARS:
            raise Unstorable(f"{COLUMNS[place]} is {time.isoformat()}: expected a year from 1970 to 2199")
    if not -_AMOUNT < values[_MONEY] < _AMOUNT:
        raise Unstorable(f"amount is {values[_MONEY]}: expected at most 12 digits before the point")


def _sent(event: Sent) -> Row:
    return (
        event.event_id, "sent", event.message_id, event.attempt, event.sid, event.person, event.country, event.sender,
        event.number_type, event.tenant, event.campaign or "", event.program or "", event.message_class.value,
        event.encoding, event.segments, "", False, "", "", None, False, False, event.estimated_cost, event.currency,
        event.tags, event.requested_at, event.called_at, None, event.occurred_at,
    )  # fmt: skip


def _status(event: StatusChanged) -> Row:
    return (
        event.event_id, "status", event.message_id, event.attempt, event.sid or "", event.person, "",
        event.sender or "", "", event.tenant, event.campaign or "", "", "", "", 0, event.status, event.final,
        event.reason or "", "", event.error_code, False, False, _NOTHING, "", {}, None, None, event.until,
        event.occurred_at,
    )  # fmt: skip


def _failed(event: Failed) -> Row:
    return (
        event.event_id, "failed", event.message_id, event.attempt, event.sid or "", event.person, event.country or "",
        event.sender or "", "", event.tenant, event.campaign or "", event.program or "", event.message_class.value,
        "", 0, "", True, event.reason, event.detail, event.error_code, event.suppressed, event.replayable, _NOTHING,
        "", {}, event.requested_at, None, None, event.occurred_at,
    )  # fmt: skip


def _price(event: Price) -> Row:
    return (
        event.event_id, "price", event.message_id, event.attempt, event.sid, event.person, event.country or "",
        event.sender or "", "", event.tenant, event.campaign or "", "", "", "", event.segments or 0, "", False, "",
        "", None, False, False, event.price, event.currency, {}, None, None, None, event.occurred_at,
    )  # fmt: skip


_ROWS: dict[type[Any], Callable[[Any], Row]] = {Sent: _sent, StatusChanged: _status, Failed: _failed, Price: _price}
