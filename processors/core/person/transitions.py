"""The steps that a message's life is made of: each takes a message's state and returns the next one.

A step that follows from one input is called ``apply_`` and the input, and stands in ``lifecycle``, ``list_entries`` or
``replays``. The steps here are what those have in common.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from processors.core.person import statuses
from processors.core.person.decision import PersonState
from processors.core.person.intake import find_sender
from processors.core.person.rules import first_objection
from processors.core.person.rules.verdicts import Hold, Refuse
from processors.core.policy import Policy, Sender, UnknownSenderError
from schemas.enums import Outcome
from schemas.reasons import FailureReason
from schemas.states import AttemptState, MessageState, Phase


def dispatch_or_wait(
    message: MessageState, person: PersonState, policy: Policy, now: datetime, sender: Sender | None = None
) -> MessageState:
    """Issue the next attempt, unless a rule objects.

    Args:
        sender: The sender that intake found; None to look the sender up, since the configuration may have changed.
    """
    objection = first_objection(message, person, policy, now)
    if isinstance(objection, Refuse):
        return fail_message(message, objection, None, now)
    if isinstance(objection, Hold):
        return start_wait(message, objection.reason, objection.until, now)
    try:
        sender = sender or find_sender(message.request, policy)
    except UnknownSenderError as error:
        return fail_message(message, Refuse(FailureReason.UNKNOWN_SENDER, str(error), replayable=True), None, now)
    attempt = AttemptState(attempt=len(message.attempts) + 1, sender=sender.id, issued_at=now)
    message = replace(message, phase=Phase.DISPATCHED, attempts=[*message.attempts, attempt])
    return clear_wait(message, now)


def start_wait(message: MessageState, reason: str, until: datetime, now: datetime) -> MessageState:
    """Let the message wait until ``until``, for a reason that is published."""
    return replace(message, phase=Phase.WAITING, wake_at=until, wait_reason=reason, wait_since=now, updated_at=now)


def clear_wait(message: MessageState, now: datetime) -> MessageState:
    """The message without a wait."""
    return replace(message, wake_at=None, wait_reason=None, wait_since=None, updated_at=now)


def fail_message(message: MessageState, why: Refuse, code: int | None, now: datetime) -> MessageState:
    """End the message without delivery.

    Args:
        code: Twilio's error code, or None where Twilio was not the cause.
    """
    message = replace(
        message,
        phase=Phase.FINISHED,
        failure=why.reason,
        detail=why.detail,
        error_code=code,
        failed_at=now,
        suppressed=why.suppressed,
        replayable=why.replayable,
    )
    return clear_wait(message, now)


def clear_failure(message: MessageState) -> MessageState:
    """The message without its failure."""
    return replace(
        message,
        failure=None,
        detail=None,
        error_code=None,
        failed_at=None,
        replayable=False,
        suppressed=False,
    )


def mark_accepted(message: MessageState, now: datetime) -> MessageState:
    """Twilio has the message, whatever was believed before: take a failure back, and cancel a retry that waits."""
    if message.status in statuses.SUCCESSES:
        return message
    return clear_wait(replace(clear_failure(message), phase=Phase.ACCEPTED), now)


def with_attempt(message: MessageState, attempt: AttemptState, now: datetime) -> MessageState:
    """The message with this attempt in place of the one with the same number."""
    if message.attempts[attempt.attempt - 1] is attempt:
        return message
    attempts = [attempt if old.attempt == attempt.attempt else old for old in message.attempts]
    return replace(message, attempts=attempts, updated_at=now)


def has_attempt(message: MessageState, number: int) -> bool:
    """Whether the message has an attempt with this number, counted from 1."""
    return 1 <= number <= len(message.attempts)


def is_open(attempt: AttemptState) -> bool:
    """Whether it is not known yet if Twilio accepted the attempt."""
    return attempt.outcome in (None, Outcome.UNKNOWN)


def has_open_attempt(message: MessageState) -> bool:
    """Whether one of the message's attempts is open. A SID that belongs to no message may then be this message's."""
    return any(is_open(attempt) for attempt in message.attempts)
