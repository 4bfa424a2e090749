"""Who sends, who is written to, and what: numbers reserved for fiction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.records import SendRequest

DESK = "+12025550140"
SLOW = "+12025550141"
UNLUCKY = "+12025550142"
"""The sender whose calls meet faults: no other test's limit moves with it."""
SHORT_CODE = "55555"
SENDERS = [
    {"id": DESK, "number_type": "10dlc", "mps": 50},
    {"id": SLOW, "number_type": "10dlc", "mps": 1},
    {"id": UNLUCKY, "number_type": "10dlc", "mps": 50},
    {"id": SHORT_CODE, "number_type": "short_code"},
]


def person(number: int) -> str:
    """One of a thousand people: source https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama."""
    return f"+447700900{number:03d}"


def request(message_id: str, to: str, **changes: Any) -> SendRequest:
    """A request made now, to the second: a record would not keep microseconds."""
    now = datetime.now(UTC).replace(microsecond=0)
    return SendRequest(
        **{"message_id": message_id, "to": to, "body": "Your parcel is here", "requested_at": now, **changes}
    )
