"""Rule: a message is not sent after its deadline."""

from __future__ import annotations

from datetime import datetime

from processors.core.person.decision import PersonState
from processors.core.person.rules.verdicts import Refuse
from processors.core.policy import Policy
from schemas.enums import MessageClass
from schemas.reasons import FailureReason
from schemas.states import MessageState


def check_deadline(message: MessageState, _person: PersonState, _policy: Policy, now: datetime) -> Refuse | None:
    """Refuse a message whose deadline has passed. A replay may send it, unless it is a one-time password."""
    if now < message.deadline:
        return None
    replayable = message.request.message_class != MessageClass.OTP  # an old one-time password is of no use
    detail = f"not sent by its deadline {message.deadline.isoformat()}"
    return Refuse(FailureReason.EXPIRED, detail, replayable=replayable)
