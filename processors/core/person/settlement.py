"""What settles an attempt: answers are merged by how certain they are, not by when they arrive.

An attempt without a certain answer is unknown. Twilio's message list is then asked at the times the policy names, and
only after the last of them the message class decides: send again, expire, or park the message for a person to decide.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from processors.core.person.decision import PersonState
from processors.core.person.rules.verdicts import Refuse
from processors.core.person.transitions import dispatch_or_wait, fail_message, with_attempt
from processors.core.policy import Policy, Timing
from schemas.enums import Outcome
from schemas.reasons import AttemptReason, FailureReason, WaitReason
from schemas.records import AttemptResult
from schemas.states import AttemptState, MessageState, Phase

LOOK_UP_PATIENCE = timedelta(seconds=60)
"""A look-up without an answer after this time is asked again. Repeating is safe: a look-up only reads."""

_CERTAINTY = {
    None: 0,
    Outcome.ABSENT: 1,
    Outcome.UNKNOWN: 1,
    Outcome.NOT_SENT: 2,
    Outcome.REJECTED: 3,
    Outcome.ACCEPTED: 4,
}


def merge_result(attempt: AttemptState, result: AttemptResult) -> AttemptState:
    """The attempt after one more answer: any certain answer beats unknown, and a repeated answer changes nothing.

    So an ``unknown`` that is repeated after a crash does no harm, and the sender stage need not remember its answers.
    """
    outcome = Outcome.UNKNOWN if result.outcome is Outcome.ABSENT else result.outcome
    if _CERTAINTY[outcome] <= _CERTAINTY[attempt.outcome]:
        return attempt
    return replace(
        attempt,
        outcome=outcome,
        sid=result.sid,
        code=result.code,
        reason=result.reason,
        called_at=result.called_at,
        intent_until=result.intent_until or attempt.intent_until,
        settled_at=None if outcome is Outcome.UNKNOWN else result.answered_at,
    )


def accept_by_status(attempt: AttemptState, sid: str, at: datetime) -> AttemptState:
    """The attempt after Twilio reported a status of it, which proves that Twilio accepted it."""
    if attempt.outcome is Outcome.ACCEPTED:
        return attempt
    return replace(attempt, outcome=Outcome.ACCEPTED, sid=sid, settled_at=at)


def mark_unknown(message: MessageState, policy: Policy, now: datetime) -> MessageState:
    """Nobody knows whether Twilio accepted the last attempt: wait for evidence until the first look-up."""
    wake_at = next_look_up(message.attempts[-1], policy.timing, now) or now
    return replace(
        message,
        phase=Phase.UNKNOWN,
        wake_at=wake_at,
        wait_reason=WaitReason.OUTCOME_UNKNOWN,
        wait_since=now,
        updated_at=now,
    )


def continue_settlement(message: MessageState, person: PersonState, policy: Policy, now: datetime) -> MessageState:
    """Ask Twilio's list once more, or let the message class end the wait for evidence."""
    attempt = message.attempts[-1]
    # The list is asked at least once, also when an outage of this stage has used up all the time there was.
    time_left = now < given_up_at(attempt, policy.timing) or not _is_looked_up(message)
    if attempt.look_ups < len(policy.timing.look_ups) and time_left:
        return replace(message, wait_reason=WaitReason.LOOK_UP, wake_at=now + LOOK_UP_PATIENCE, updated_at=now)
    if message.request.resend_if_unknown:
        attempt = replace(attempt, outcome=Outcome.NOT_SENT, reason=AttemptReason.RESEND_IF_UNKNOWN, settled_at=now)
        return dispatch_or_wait(with_attempt(message, attempt, now), person, policy, now)
    expires = policy.classes[message.request.message_class].on_unknown == "expire"
    detail = "Twilio's answer was lost and its message list does not show the message; it may have been sent"
    reason = FailureReason.EXPIRED if expires else FailureReason.OUTCOME_UNKNOWN
    return fail_message(message, Refuse(reason, detail), None, now)


def apply_look_up(message: MessageState, result: AttemptResult, policy: Policy, now: datetime) -> MessageState:
    """After a look-up that did not find the message, or could not read the list."""
    if not _is_being_settled(message, result):
        return message
    attempt = message.attempts[-1]
    if result.outcome is Outcome.ABSENT:
        attempt = replace(attempt, look_ups=attempt.look_ups + 1)
    end = given_up_at(attempt, policy.timing)
    if result.outcome is Outcome.ABSENT:
        wake_at = next_look_up(attempt, policy.timing, now) or end
    else:
        wake_at = now + LOOK_UP_PATIENCE
    message = with_attempt(message, attempt, now)
    return replace(message, wait_reason=WaitReason.OUTCOME_UNKNOWN, wake_at=max(now, min(wake_at, end)), updated_at=now)


def repeat_look_up(message: MessageState, result: AttemptResult, now: datetime) -> MessageState:
    """After a look-up that found a message which by now belongs to another attempt, so that it proves nothing.

    The look-up is made again at once, without that message's SID, and as if it had not been made before.
    """
    if not _is_being_settled(message, result):
        return message
    return replace(message, wait_reason=WaitReason.OUTCOME_UNKNOWN, wake_at=now, updated_at=message.wait_since or now)


def _is_being_settled(message: MessageState, result: AttemptResult) -> bool:
    return message.phase is Phase.UNKNOWN and result.attempt == len(message.attempts)


def next_look_up(attempt: AttemptState, timing: Timing, now: datetime) -> datetime | None:
    """When to ask Twilio's list (again), or None when it was asked often enough."""
    if attempt.look_ups >= len(timing.look_ups):
        return None
    return max(now, call_ended(attempt, timing) + timing.look_ups[attempt.look_ups])


def given_up_at(attempt: AttemptState, timing: Timing) -> datetime:
    """When the message class ends the wait, even if the list was silent, ambiguous or unreadable until then."""
    return call_ended(attempt, timing) + timing.settle_by


def call_ended(attempt: AttemptState, timing: Timing) -> datetime:
    """The instant from which the attempt's call is certainly over. Only then is absence from the list evidence."""
    return (attempt.intent_until or attempt.issued_at) + timing.call_timeout


def _is_looked_up(message: MessageState) -> bool:
    """Whether the list was asked since the outcome became unknown: ``updated_at`` moves with each look-up."""
    return message.wait_since is None or message.updated_at > message.wait_since
