"""Rule: nobody is texted who has opted out."""

from __future__ import annotations

from datetime import datetime

from processors.core.person import consent as consents
from processors.core.person.decision import PersonState
from processors.core.person.rules.verdicts import Refuse
from processors.core.policy import Policy
from schemas.reasons import FailureReason
from schemas.states import MessageState


def check_opted_out(message: MessageState, person: PersonState, _policy: Policy, _now: datetime) -> Refuse | None:
    """Refuse a message to a person who opted out of its program, or of everything.

    Source: 47 CFR 64.1200(a)(10), revocation of consent.
    """
    if not consents.is_opted_out(person.consent, message.request.program):
        return None
    detail = "the person has opted out; only a newer opt-in permits messages again"
    return Refuse(FailureReason.OPTED_OUT, detail, suppressed=True)
