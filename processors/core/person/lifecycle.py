"""One message's life: attempt n+1 is issued only when attempt n is settled as not accepted.

Every ``apply_`` function takes a message's state and one input, and returns the next state, or the same object where
the input changes nothing. What a new state publishes is derived from it in ``outbox``.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from processors.core.person import intake, settlement, statuses
from processors.core.person.decision import PersonState
from processors.core.person.failures import apply_not_accepted, apply_undelivered
from processors.core.person.rules import first_objection
from processors.core.person.rules.verdicts import Refuse
from processors.core.person.transitions import (
    clear_failure,
    clear_wait,
    dispatch_or_wait,
    fail_message,
    has_attempt,
    mark_accepted,
    with_attempt,
)
from processors.core.policy import Policy, Timing
from schemas.enums import Action, Outcome
from schemas.reasons import OwnStatus
from schemas.records import AttemptResult, SendRequest
from schemas.states import MessageState, Phase, StatusReport


def apply_request(request: SendRequest, person: PersonState, policy: Policy, now: datetime) -> MessageState:
    """A new message: refused, waiting, or with its first attempt dispatched.

    Raises:
        UnprocessableRecord: No state can be stored under the request's ``message_id`` or ``to``.
    """
    message = intake.open_message(request, policy, now)
    parsed = intake.parse_request(request, policy)
    if isinstance(parsed, Refuse):
        return fail_message(message, parsed, None, now)
    message = intake.with_measures(message, parsed, policy, now)
    return dispatch_or_wait(message, person, policy, now, parsed.sender)


def apply_result(message: MessageState, result: AttemptResult, policy: Policy, now: datetime) -> MessageState:
    """After an answer of the sender stage."""
    if not has_attempt(message, result.attempt):
        return message
    if result.action is Action.LOOK_UP and result.outcome is not Outcome.ACCEPTED:
        return settlement.apply_look_up(message, result, policy, now)
    old = message.attempts[result.attempt - 1]
    new = settlement.merge_result(old, result)
    if new == old:
        return message
    message = with_attempt(message, new, now)
    if new.outcome is Outcome.ACCEPTED:
        return mark_accepted(message, now)
    if result.attempt < len(message.attempts) or message.phase not in (Phase.DISPATCHED, Phase.UNKNOWN):
        return message
    if new.outcome is Outcome.UNKNOWN:
        return settlement.mark_unknown(message, policy, now)
    return apply_not_accepted(message, result, policy, now)


def apply_status(message: MessageState, report: StatusReport, sid: str, policy: Policy, now: datetime) -> MessageState:
    """After a status that Twilio reported, by callback or in its list."""
    if not has_attempt(message, report.attempt):
        return message
    old_attempt = message.attempts[report.attempt - 1]
    attempt = settlement.accept_by_status(old_attempt, sid, report.at)
    if attempt is not old_attempt:
        message = mark_accepted(with_attempt(message, attempt, now), now)
    old_reports = message.status_reports
    reports = statuses.add_report(old_reports, report)
    if reports is old_reports:
        return message
    message = replace(message, status_reports=reports, updated_at=now)
    effective = statuses.effective_report(reports)
    if effective is None or effective == statuses.effective_report(old_reports):
        return message
    return _apply_effective_status(message, effective, policy, now)


def _apply_effective_status(message: MessageState, report: StatusReport, policy: Policy, now: datetime) -> MessageState:
    """After another report than before became the one that counts for the message."""
    if report.attempt < len(message.attempts) and report.status not in statuses.SUCCESSES:
        return message
    message = replace(message, status=report.status)
    if report.status in statuses.SUCCESSES:
        delivered = replace(clear_failure(message), phase=Phase.FINISHED, error_code=report.error_code)
        return clear_wait(delivered, now)
    if report.status in statuses.FAILURES:
        return apply_undelivered(message, report, policy, now)
    return replace(message, error_code=report.error_code)


def apply_wake_up(message: MessageState, person: PersonState, policy: Policy, now: datetime) -> MessageState:
    """After the time that the message waited for. A wake-up that comes too early changes nothing."""
    is_due = message.wake_at is None or message.wake_at <= now
    if message.phase is Phase.WAITING and is_due:
        return dispatch_or_wait(message, person, policy, now)
    if message.phase is Phase.UNKNOWN and is_due:
        return settlement.continue_settlement(message, person, policy, now)
    if message.phase is Phase.ACCEPTED and is_overdue(message, policy.timing, now):
        return replace(message, phase=Phase.FINISHED, failure=OwnStatus.NO_FINAL_STATUS, failed_at=now, updated_at=now)
    if message.phase is Phase.DISPATCHED and is_overdue(message, policy.timing, now):
        return settlement.mark_unknown(message, policy, now)
    return message


def is_overdue(message: MessageState, timing: Timing, now: datetime) -> bool:
    """Whether a final status of Twilio's, or the sender stage's answer, is not to be expected any more.

    The sender stage answers every command by its deadline, unless the command was lost: with its topic, or because it
    went to the dead-letter topic.
    """
    if message.phase is Phase.DISPATCHED:
        return max(message.deadline, message.updated_at) + timing.status_within <= now
    return message.phase is Phase.ACCEPTED and message.updated_at + timing.status_within <= now


def apply_consent(message: MessageState, person: PersonState, policy: Policy, now: datetime) -> MessageState:
    """After the person's consent changed: a message that waits here is ended if a rule now refuses it.

    A message that already left for the sender stage is stopped by the revocation, or by Twilio.
    """
    if message.phase is not Phase.WAITING:
        return message
    objection = first_objection(message, person, policy, now)
    return fail_message(message, objection, None, now) if isinstance(objection, Refuse) else message
