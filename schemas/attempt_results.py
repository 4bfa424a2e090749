"""The one builder of an ``AttemptResult``: what the sender stage or Twilio answers to one command."""

from __future__ import annotations

from datetime import datetime

from schemas.enums import Outcome
from schemas.records import AttemptResult, Dispatch

MAX_DETAIL_CHARS = 500
"""Characters of ``detail`` that a result repeats: it is written by others and has no bound of its own."""


def attempt_result(
    command: Dispatch,
    outcome: Outcome,
    answered_at: datetime,
    *,
    reason: str | None = None,
    detail: str | None = None,
    code: int | None = None,
    sid: str | None = None,
    status: str | None = None,
    retry_after_ms: int | None = None,
    intent_until: datetime | None = None,
) -> AttemptResult:
    """The result of a command, with everything that names the command's attempt.

    Args:
        command: The command that is answered.
        outcome: What is certain of the attempt.
        answered_at: When that became known, UTC.
        reason: Why the outcome is not ``accepted``: a stable word.
        detail: What Twilio or an exception adds in its own words; cut to ``MAX_DETAIL_CHARS``.
        code: Twilio's error code.
        sid: The message's SID at Twilio.
        status: The message's status at Twilio.
        retry_after_ms: How long Twilio asks to wait, milliseconds.
        intent_until: When the attempt's intent ends, UTC.
    """
    return AttemptResult(
        attempt_id=command.attempt_id,
        message_id=command.message_id,
        attempt=command.attempt,
        action=command.action,
        person=command.person,
        sender=command.sender,
        outcome=outcome,
        reason=reason,
        detail=detail[:MAX_DETAIL_CHARS] if detail else None,
        code=code,
        sid=sid,
        status=status,
        retry_after_ms=retry_after_ms,
        intent_until=intent_until,
        answered_at=answered_at,
    )
