"""Events with sensible values, and how they get into ClickHouse without Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.rows import COLUMNS, TABLE, Event, event_row
from schemas.codec import Codec
from schemas.enums import MessageClass
from schemas.records import Failed, Price, SendRequest, Sent, StatusChanged
from schemas.topics import SMS_FAILED, SMS_PRICE, SMS_SENT, SMS_STATUS

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PERSON = "+12125550100"
TOPIC_OF = {Sent: SMS_SENT, StatusChanged: SMS_STATUS, Failed: SMS_FAILED, Price: SMS_PRICE}


def after(seconds: float) -> datetime:
    """So long after NOW."""
    return NOW + timedelta(seconds=seconds)


def sent(message_id: str = "m1", attempt: int = 1, **changes: Any) -> Sent:
    given: dict[str, Any] = {
        "event_id": f"{message_id}/{attempt}/sent",
        "sid": f"SM-{message_id}-{attempt}",
        "person": PERSON,
        "country": "US",
        "sender": "MG1",
        "number_type": "10dlc",
        "tenant": "acme",
        "campaign": "spring",
        "message_class": MessageClass.MARKETING,
        "encoding": "GSM-7",
        "segments": 2,
        "estimated_cost": Decimal("0.0158"),
        "currency": "USD",
        "requested_at": NOW,
        "called_at": after(0.25),
        "occurred_at": after(1),
    }
    return Sent(message_id=message_id, attempt=attempt, **{**given, **changes})


def status(word: str, message_id: str = "m1", attempt: int = 1, **changes: Any) -> StatusChanged:
    given: dict[str, Any] = {
        "event_id": f"{message_id}/{attempt}/status/{word}",
        "sid": f"SM-{message_id}-{attempt}",
        "person": PERSON,
        "sender": "MG1",
        "tenant": "acme",
        "campaign": "spring",
        "final": word in ("delivered", "undelivered", "failed"),
        "occurred_at": after(2),
    }
    return StatusChanged(message_id=message_id, attempt=attempt, status=word, **{**given, **changes})


def failed(reason: str, message_id: str = "m1", attempt: int = 0, **changes: Any) -> Failed:
    given: dict[str, Any] = {
        "event_id": f"{message_id}/{attempt}/failed/{reason}/0",
        "person": PERSON,
        "country": "US",
        "tenant": "acme",
        "campaign": "spring",
        "message_class": MessageClass.MARKETING,
        "detail": f"because of {reason}",
        "suppressed": False,
        "replayable": False,
        "request": SendRequest(message_id=message_id, to=PERSON, body="a secret text", requested_at=NOW),
        "requested_at": NOW,
        "occurred_at": after(3),
    }
    return Failed(message_id=message_id, attempt=attempt, reason=reason, **{**given, **changes})


def price(amount: str, message_id: str = "m1", attempt: int = 1, **changes: Any) -> Price:
    given: dict[str, Any] = {
        "event_id": f"{message_id}/{attempt}/price/{amount}",
        "sid": f"SM-{message_id}-{attempt}",
        "person": PERSON,
        "sender": "MG1",
        "tenant": "acme",
        "campaign": "spring",
        "country": "US",
        "segments": 2,
        "currency": "USD",
        "occurred_at": after(3600),
    }
    return Price(message_id=message_id, attempt=attempt, price=Decimal(amount), **{**given, **changes})


def store(clickhouse: ClickHouse, events: Iterable[Event], *, one_by_one: bool = False) -> None:
    """Insert as the sink does: one block, or one block an event."""
    rows = [event_row(event) for event in events]
    for block in [[values] for values in rows] if one_by_one else [rows]:
        clickhouse.insert(TABLE, COLUMNS, block)


@dataclass(frozen=True, slots=True)
class FakeRecord:
    """One Kafka record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: datetime = NOW


def records(events: Sequence[Event], codec: Codec) -> list[FakeRecord]:
    """The events as they stand on their topics."""
    return [
        FakeRecord(TOPIC_OF[type(event)].name, 0, offset, event.person.encode(), codec.encode(event))
        for offset, event in enumerate(events)
    ]
