"""Rule: a message is not sent before the time its request asks for."""

from __future__ import annotations

from datetime import datetime

from processors.core.person.decision import PersonState
from processors.core.person.rules.verdicts import Hold
from processors.core.policy import Policy
from schemas.reasons import WaitReason
from schemas.states import MessageState


def check_send_at(message: MessageState, _person: PersonState, _policy: Policy, now: datetime) -> Hold | None:
    """Hold a message until its ``send_at``."""
    send_at = message.request.send_at
    return Hold(WaitReason.SEND_AT, send_at) if send_at is not None and now < send_at else None
