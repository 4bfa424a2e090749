"""The rules every attempt passes, in order: the first objection wins.

They are asked at intake, when a wait is over, before a retry and after a replay, so nothing slips through by waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from processors.core.person import consent as consents
from schemas.records import MessageClass
from schemas.states import ConsentRecord, MessageState

OPTED_OUT = "opted_out"
EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Never send it. ``suppressed``: a rule protects the person, so no replay may change it."""

    reason: str
    detail: str
    suppressed: bool = False
    replayable: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: look again at ``until``."""

    reason: str
    until: datetime


def first_objection(message: MessageState, consent: ConsentRecord, now: datetime) -> Refuse | Hold | None:
    """What speaks against sending this message now, or None."""
    return _opted_out(message, consent) or _too_late(message, now) or _too_early(message, now)


def _opted_out(message: MessageState, consent: ConsentRecord) -> Refuse | None:
    """Source: 47 CFR 64.1200(a)(10), revocation of consent."""
    if not consents.opted_out(consent, message.request.program):
        return None
    return Refuse(OPTED_OUT, "the person has opted out; only a newer opt-in opens this again", suppressed=True)


def _too_late(message: MessageState, now: datetime) -> Refuse | None:
    if now < message.deadline:
        return None
    passing = message.request.message_class != MessageClass.OTP  # an old code helps nobody
    return Refuse(EXPIRED, f"not sent by its deadline {message.deadline.isoformat()}", replayable=passing)


def _too_early(message: MessageState, now: datetime) -> Hold | None:
    send_at = message.request.send_at
    return Hold("send_at", send_at) if send_at is not None and now < send_at else None
