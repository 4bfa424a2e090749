"""Records and states with sensible values: a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from processors.core.person.decision import PersonState
from processors.core.policy import Policy
from processors.policies.load import load
from schemas.enums import ConsentState, Lane, Outcome
from schemas.records import (
    AttemptResult,
    ConsentChange,
    Dispatch,
    InboundMessage,
    ListEntry,
    SendRequest,
    TwilioCallback,
)
from schemas.states import ConsentRecord, MessageState

NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
PERSON = "+12125550100"
NUMBER = "+15005550006"
SERVICE = "MG" + "a" * 32
TOLL_FREE = "+18335550100"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@cache
def policy() -> Policy:
    """The shipped policy with three senders."""
    return load(
        senders=(
            {"id": NUMBER, "number_type": "10dlc", "mps": 75, "campaign": "C1"},
            {"id": SERVICE, "number_type": "10dlc", "mps": 225, "campaign": "C2"},
            {"id": TOLL_FREE, "number_type": "toll_free"},
        ),
        pools={"default": (NUMBER,), "service": (SERVICE,)},
        default_pool="default",
    )


def request(**changes: Any) -> SendRequest:
    return SendRequest(**{"message_id": "m1", "to": PERSON, "body": "hello", "requested_at": NOW, **changes})


def dispatch(**changes: Any) -> Dispatch:
    return Dispatch(
        **{
            "attempt_id": "m1/1",
            "message_id": "m1",
            "attempt": 1,
            "lane": Lane.NORMAL,
            "sender": NUMBER,
            "person": PERSON,
            "tenant": "default",
            "body": "hello",
            "segments": 1,
            "deadline": NOW + timedelta(hours=1),
            "issued_at": NOW,
            **changes,
        }
    )


def result(**changes: Any) -> AttemptResult:
    return AttemptResult(
        **{
            "attempt_id": "m1/1",
            "message_id": "m1",
            "attempt": 1,
            "person": PERSON,
            "sender": NUMBER,
            "outcome": Outcome.ACCEPTED,
            "sid": "SM" + "1" * 32 if changes.get("outcome", Outcome.ACCEPTED) is Outcome.ACCEPTED else None,
            "called_at": NOW,
            "answered_at": NOW,
            **changes,
        }
    )


def callback(status: str = "delivered", **changes: Any) -> TwilioCallback:
    return TwilioCallback(
        **{
            "message_sid": "SM" + "1" * 32,
            "status": status,
            "person": PERSON,
            "attempt_id": "m1/1",
            "received_at": NOW,
            **changes,
        }
    )


def inbound(body: str = "STOP", **changes: Any) -> InboundMessage:
    return InboundMessage(
        **{
            "message_sid": "SM" + "f" * 32,
            "person": PERSON,
            "to": NUMBER,
            "body": body,
            "received_at": NOW,
            **changes,
        }
    )


def consent_change(state: ConsentState = ConsentState.OPTED_OUT, **changes: Any) -> ConsentChange:
    return ConsentChange(**{"change_id": "c1", "person": PERSON, "state": state, "occurred_at": NOW, **changes})


def list_entry(**changes: Any) -> ListEntry:
    return ListEntry(
        **{
            "message_sid": "SM" + "1" * 32,
            "person": PERSON,
            "status": "delivered",
            "segments": 1,
            "read_at": NOW,
            **changes,
        }
    )


def person(*messages: MessageState, consent: ConsentRecord | None = None) -> PersonState:
    return PersonState(
        PERSON, consent or ConsentRecord(person=PERSON), {message.message_id: message for message in messages}
    )
