"""After an attempt failed: try again as the next attempt, or end the message with a reason."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from processors.core.person.rules.verdicts import Refuse
from processors.core.person.transitions import fail_message, start_wait
from processors.core.policy import Policy
from processors.core.sms import retry_policy
from processors.core.sms.retry_policy import Again, Code, Retry
from schemas.enums import Outcome
from schemas.reasons import AttemptReason, FailureReason, WaitReason
from schemas.records import AttemptResult
from schemas.states import MessageState, Phase, StatusReport

_UNKNOWN_ERROR = 30008
"""Twilio's own code for a delivery failure without a reason; it stands for a report without a code."""
_NOT_DELIVERED = ("failed", "undelivered")


def apply_not_accepted(message: MessageState, result: AttemptResult, policy: Policy, now: datetime) -> MessageState:
    """After an answer by which the attempt certainly did not become a message."""
    if result.outcome is Outcome.NOT_SENT and result.reason in (AttemptReason.OPTED_OUT, AttemptReason.EXPIRED):
        is_late = result.reason == AttemptReason.EXPIRED
        why = Refuse(result.reason, result.detail or result.reason, suppressed=not is_late, replayable=is_late)
        return fail_message(message, why, None, now)
    if result.outcome is Outcome.NOT_SENT:
        code = retry_policy.code_for_not_sent(result.reason or Outcome.NOT_SENT)
    else:
        code = policy.codes.find(result.code or 0)
    retry_after = timedelta(milliseconds=result.retry_after_ms or 0)
    return _try_again_or_fail(message, code, result.code, policy, now, retry_after)


def apply_undelivered(message: MessageState, report: StatusReport, policy: Policy, now: datetime) -> MessageState:
    """After a final status by which Twilio had the message and it did not arrive."""
    if report.status == "canceled":
        why = Refuse(FailureReason.CANCELED, "the scheduled message was cancelled at Twilio")
        return fail_message(message, why, report.error_code, report.at)
    code = policy.codes.find(report.error_code or _UNKNOWN_ERROR)
    new = _try_again_or_fail(message, code, report.error_code, policy, now, timedelta())
    if new.phase is not Phase.WAITING:
        return replace(new, failed_at=_first_reported_at(message, report))
    # A second report of the same failure must not move the next attempt that already waits.
    return replace(message if message.phase is Phase.WAITING else new, error_code=report.error_code)


def _first_reported_at(message: MessageState, report: StatusReport) -> datetime:
    """When Twilio first reported that the attempt was not delivered, with this error code.

    Contradicting reports may let a failure count, then another, then the first one again. Its event has the same id
    both times, so the event must have the same content both times.
    """
    # Only ``undelivered`` can count after ``failed``, and the reports are sorted so. Their times are no guide: a
    # webhook that was spooled during an outage arrives late with an early time.
    return next(
        known.at
        for known in message.status_reports
        if known.status in _NOT_DELIVERED and (known.attempt, known.error_code) == (report.attempt, report.error_code)
    )


def _try_again_or_fail(
    message: MessageState,
    code: Code,
    number: int | None,
    policy: Policy,
    now: datetime,
    retry_after: timedelta,
) -> MessageState:
    accepted = message.attempts[-1].outcome is Outcome.ACCEPTED
    decision = retry_policy.next_try(
        code,
        accepted=accepted,
        resend_allowed=policy.classes[message.request.message_class].resend_after_acceptance,
        tries=len(message.attempts),
        schedule=policy.retries,
        deadline=message.deadline,
        now=now,
        message_id=message.message_id,
        retry_after=retry_after,
    )
    if isinstance(decision, Again):
        return start_wait(message, WaitReason.BACK_OFF, decision.at, now)
    if _is_opt_out(code, message):
        return fail_message(message, Refuse(FailureReason.OPTED_OUT, code.meaning, suppressed=True), number, now)
    replayable = not accepted and code.retry in (Retry.LATER, Retry.AFTER_FIX)
    why = Refuse(decision.reason, f"{code.meaning} ({decision.because})", replayable=replayable)
    return fail_message(message, why, number, now)


def opt_out_codes(message: MessageState, policy: Policy) -> dict[int, int]:
    """Attempt number to the error code by which Twilio or a carrier reports that the person has opted out."""
    codes = [(attempt.attempt, attempt.code) for attempt in message.attempts if attempt.code is not None]
    codes += [(report.attempt, report.error_code) for report in message.status_reports if report.error_code is not None]
    return {attempt: code for attempt, code in codes if _is_opt_out(policy.codes.find(code), message)}


def _is_opt_out(code: Code, message: MessageState) -> bool:
    """Whether a code reports an opt-out. A toll-free opt-out is stored in the carriers' network, and shows as a block.

    Source: https://www.twilio.com/docs/api/errors/21610 and https://www.twilio.com/docs/api/errors/30004
    """
    toll_free = message.number_type == "toll_free"
    return code.action == "opt_out" or (code.action == "opt_out_if_toll_free" and toll_free)
