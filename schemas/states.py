"""What the processors' tables hold: written and read through the same codec as the records, so it evolves like them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct, field

from schemas.enums import ConsentState, Lane, Outcome
from schemas.records import Dispatch, ListEntry, SendRequest


class Phase(StrEnum):
    """Where one message is, from intake to its end."""

    WAITING = "waiting"
    DISPATCHED = "dispatched"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    FINISHED = "finished"


class AttemptState(Struct, frozen=True, kw_only=True, gc=False):
    """One attempt as the person stage knows it."""

    attempt: int
    sender: str
    issued_at: datetime
    outcome: Outcome | None = None
    sid: str | None = None
    code: int | None = None
    reason: str | None = None
    called_at: datetime | None = None
    intent_until: datetime | None = None
    settled_at: datetime | None = None
    look_ups: int = 0
    price: Decimal | None = None
    price_currency: str | None = None
    price_segments: int | None = None
    priced_at: datetime | None = None


class StatusReport(Struct, frozen=True, kw_only=True, gc=False):
    """One status Twilio reported for an attempt, kept even where it contradicts another."""

    attempt: int
    status: str
    error_code: int | None = None
    at: datetime


class ReplayState(Struct, frozen=True, kw_only=True, gc=False):
    """One replay that asked for a message again."""

    replay_id: str
    refused: str | None = None
    at: datetime


class MessageState(Struct, frozen=True, kw_only=True, gc=False):
    """One message of one person: the request, its attempts and what is known of them."""

    message_id: str
    phase: Phase
    request: SendRequest
    request_hash: str
    country: str | None = None
    number_type: str | None = None
    encoding: str = "GSM-7"
    segments: int = 0
    estimated_cost: Decimal = Decimal(0)
    currency: str = "USD"
    lane: Lane = Lane.NORMAL
    deadline: datetime
    attempts: list[AttemptState] = field(default_factory=list)
    status_reports: list[StatusReport] = field(default_factory=list)
    pending_list_entries: list[ListEntry] = field(default_factory=list)
    status: str | None = None
    error_code: int | None = None
    wake_at: datetime | None = None
    wait_reason: str | None = None
    wait_since: datetime | None = None
    failure: str | None = None
    detail: str | None = None
    failed_at: datetime | None = None
    suppressed: bool = False
    replayable: bool = False
    replays: list[ReplayState] = field(default_factory=list)
    applied_offsets: dict[str, int] = field(default_factory=dict)
    updated_at: datetime


class ConsentScope(Struct, frozen=True, kw_only=True, gc=False):
    """What a person last said about one scope (``all`` or a program)."""

    scope: str
    state: ConsentState
    channel: str
    evidence: str | None = None
    source_id: str
    occurred_at: datetime


class ConsentRecord(Struct, frozen=True, kw_only=True, gc=False):
    """Everything one person said about being texted, never overwritten: the newest entry of a scope holds."""

    person: str
    history: list[ConsentScope] = field(default_factory=list)


class AttemptPhase(StrEnum):
    """Where one attempt is in the sender stage."""

    QUEUED = "queued"
    INTENT = "intent"


class SenderAttempt(Struct, frozen=True, kw_only=True, gc=False):
    """One attempt as the sender stage knows it: queued for its sender's limit, or called at most once."""

    attempt_id: str
    phase: AttemptPhase
    command: Dispatch | None = None
    intent_at: datetime | None = None
    intent_until: datetime | None = None
    delete_after: datetime


class ThrottleState(Struct, frozen=True, kw_only=True, gc=False):
    """A sender's limit as it was last saved: the token bucket, and until when the sender is paused."""

    sender: str
    rate: float
    tokens: float
    at: datetime
    paused_until: datetime | None = None
    pause_reason: str | None = None


State = MessageState | ConsentRecord | SenderAttempt | ThrottleState
