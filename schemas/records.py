"""One frozen struct per Avro file of ``avro/``: the same names, the same order, the same meaning.

Times are aware UTC datetimes with millisecond precision on the wire, amounts are `Decimal` and stand beside their
currency. What a field means is written once, as its ``doc`` in the Avro file; a test keeps both sides equal.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct, field

from schemas.enums import Action, ConsentState, Lane, MessageClass, Outcome


class SendRequest(Struct, frozen=True, kw_only=True, gc=False):
    """An upstream service wants one message sent to one person."""

    message_id: str
    to: str
    tenant: str = "default"
    campaign: str | None = None
    program: str | None = None
    message_class: MessageClass = MessageClass.TRANSACTIONAL
    sender: str | None = None
    messaging_service: str | None = None
    sender_pool: str | None = None
    body: str | None = None
    content_sid: str | None = None
    content_variables: dict[str, str] = field(default_factory=dict)
    media_urls: list[str] = field(default_factory=list)
    shorten_urls: bool = False
    smart_encoding: bool = False
    validity_s: int | None = None
    deadline: datetime | None = None
    send_at: datetime | None = None
    time_zone: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    resend_if_unknown: bool = False
    replay_id: str | None = None
    requested_at: datetime


class ConsentChange(Struct, frozen=True, kw_only=True, gc=False):
    """A person, or someone on their behalf, changed what they agree to."""

    change_id: str
    person: str
    state: ConsentState
    scope: str = "all"
    channel: str = "api"
    evidence: str | None = None
    occurred_at: datetime


class InboundMessage(Struct, frozen=True, kw_only=True, gc=False):
    """A person texted one of our numbers."""

    message_sid: str
    person: str
    to: str
    messaging_service: str | None = None
    body: str = ""
    media_urls: list[str] = field(default_factory=list)
    opt_out_type: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    received_at: datetime


class TwilioCallback(Struct, frozen=True, kw_only=True, gc=False):
    """Twilio says how one of our messages fares."""

    message_sid: str
    status: str
    person: str
    attempt_id: str | None = None
    sender_number: str | None = None
    messaging_service: str | None = None
    error_code: int | None = None
    idempotency_token: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    received_at: datetime


class Dispatch(Struct, frozen=True, kw_only=True, gc=False):
    """Command to the sender stage: make attempt n of one message at most once, or look for it in Twilio's list."""

    attempt_id: str
    message_id: str
    attempt: int
    action: Action = Action.SEND
    lane: Lane
    sender: str
    person: str
    tenant: str
    campaign: str | None = None
    program: str | None = None
    body: str | None = None
    content_sid: str | None = None
    content_variables: dict[str, str] = field(default_factory=dict)
    media_urls: list[str] = field(default_factory=list)
    shorten_urls: bool = False
    smart_encoding: bool = False
    validity_s: int | None = None
    segments: int
    deadline: datetime
    issued_at: datetime
    called_after: datetime | None = None
    called_before: datetime | None = None
    claimed_sids: list[str] = field(default_factory=list)


class AttemptResult(Struct, frozen=True, kw_only=True, gc=False):
    """Answer of the sender stage to one dispatch."""

    attempt_id: str
    message_id: str
    attempt: int
    action: Action = Action.SEND
    person: str
    sender: str
    outcome: Outcome
    reason: str | None = None
    sid: str | None = None
    status: str | None = None
    code: int | None = None
    detail: str | None = None
    retry_after_ms: int | None = None
    intent_until: datetime | None = None
    called_at: datetime | None = None
    answered_at: datetime


class ListEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One message as Twilio's own list shows it: status, price and segments that no callback carries."""

    message_sid: str
    person: str
    sender_number: str | None = None
    messaging_service: str | None = None
    status: str
    error_code: int | None = None
    segments: int | None = None
    price: Decimal | None = None
    currency: str | None = None
    date_created: datetime | None = None
    read_at: datetime


class Sent(Struct, frozen=True, kw_only=True, gc=False):
    """Twilio accepted a message."""

    event_id: str
    message_id: str
    attempt: int
    sid: str
    person: str
    country: str
    sender: str
    number_type: str
    tenant: str
    campaign: str | None = None
    program: str | None = None
    message_class: MessageClass
    encoding: str
    segments: int
    estimated_cost: Decimal
    currency: str
    tags: dict[str, str] = field(default_factory=dict)
    requested_at: datetime
    called_at: datetime | None = None
    occurred_at: datetime


class StatusChanged(Struct, frozen=True, kw_only=True, gc=False):
    """A message moved on: waiting here for a named reason, or a status of Twilio's."""

    event_id: str
    message_id: str
    attempt: int
    sid: str | None = None
    person: str
    sender: str | None = None
    tenant: str
    campaign: str | None = None
    status: str
    final: bool
    reason: str | None = None
    error_code: int | None = None
    until: datetime | None = None
    occurred_at: datetime


class Failed(Struct, frozen=True, kw_only=True, gc=False):
    """A message ended without delivery: refused by a rule, by Twilio or by a carrier, expired, or left unknown."""

    event_id: str
    message_id: str
    attempt: int
    sid: str | None = None
    person: str
    country: str | None = None
    sender: str | None = None
    tenant: str
    campaign: str | None = None
    program: str | None = None
    message_class: MessageClass
    reason: str
    detail: str
    error_code: int | None = None
    suppressed: bool
    replayable: bool
    request: SendRequest
    requested_at: datetime
    occurred_at: datetime


class Price(Struct, frozen=True, kw_only=True, gc=False):
    """What Twilio billed for a message; a later record of the same message replaces an earlier one."""

    event_id: str
    message_id: str
    attempt: int
    sid: str
    person: str
    sender: str | None = None
    tenant: str
    campaign: str | None = None
    country: str | None = None
    segments: int | None = None
    price: Decimal
    currency: str
    occurred_at: datetime


class Revocation(Struct, frozen=True, kw_only=True, gc=False):
    """What every sender worker must know before a call: may this person be texted in this scope."""

    person: str
    scope: str
    revoked: bool
    source_id: str
    occurred_at: datetime


class DeadLetter(Struct, frozen=True, kw_only=True, gc=False):
    """A record that could not be handled, whole, with where it came from and why."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes | None = None
    reason: str
    detail: str
    stage: str
    occurred_at: datetime


Record = (
    SendRequest
    | ConsentChange
    | InboundMessage
    | TwilioCallback
    | Dispatch
    | AttemptResult
    | ListEntry
    | Sent
    | StatusChanged
    | Failed
    | Price
    | Revocation
    | DeadLetter
)
