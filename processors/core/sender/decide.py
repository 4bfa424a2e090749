"""At most once: what a send command means for its attempt, given what is known of the attempt. Values only.

An attempt may be called once in its life. Its *intent* records that: durable before the call, never taken back. A
command whose attempt has an intent is never called again; whether the call happened is then unknown, and evidence
settles it. An attempt that ends without a call (expired, opted out) leaves an intent as well: the reason may be gone
when the command is read once more, and by then the person stage may have issued the next attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from schemas.attempt_results import attempt_result
from schemas.enums import Outcome
from schemas.reasons import AttemptReason
from schemas.records import AttemptResult, Dispatch
from schemas.states import AttemptPhase, SenderAttempt

INTENT_RETENTION = timedelta(days=8)
"""How long after its deadline an attempt's intent is remembered: longer than a dispatch topic keeps its command."""

OWN_REASONS = frozenset(
    {
        AttemptReason.PARTITION_LOST,
        AttemptReason.EXPIRED,
        AttemptReason.OPTED_OUT,
        AttemptReason.REVOCATIONS_STALE,
        AttemptReason.INTENT_EXPIRED,
    }
)
"""Reasons of smsflow's own for which an attempt is not made although nothing is wrong with Twilio."""


@dataclass(frozen=True, slots=True)
class AnswerCommand:
    """Save ``intent`` if there is one; when it is durable, publish ``result``."""

    result: AttemptResult
    intent: SenderAttempt | None = None


@dataclass(frozen=True, slots=True)
class QueueCommand:
    """Queue the command durably: it cannot be decided now."""


@dataclass(frozen=True, slots=True)
class CallTwilio:
    """Save a new intent; when it is durable, call Twilio once and publish the result."""


SendDecision = AnswerCommand | QueueCommand | CallTwilio


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """What a decision depends on beside the command and the attempt's intent.

    Args:
        now: The time of the decision, UTC.
        revoked: Whether the person said STOP to this message's program or to everything.
        stale: Why the revocations cannot be trusted now, or None.
    """

    now: datetime
    revoked: bool
    stale: str | None


def decide_send(command: Dispatch, intent: SenderAttempt | None, context: AttemptContext) -> SendDecision:
    """What to do with a send command, its sender's limit aside.

    Args:
        command: The command.
        intent: The attempt's intent, if the attempt has one.
        context: What else the decision depends on.
    """
    if intent is not None:
        return AnswerCommand(called_before(command, intent, context.now))
    if context.now >= command.deadline:
        return refuse_attempt(command, AttemptReason.EXPIRED, context.now)
    if context.stale is not None:
        return QueueCommand()
    if context.revoked:
        return refuse_attempt(command, AttemptReason.OPTED_OUT, context.now)
    return CallTwilio()


def new_intent(command: Dispatch, now: datetime, life: timedelta) -> SenderAttempt:
    """The intent of an attempt that may be called until ``life`` has passed, and never after its deadline."""
    return SenderAttempt(
        attempt_id=command.attempt_id,
        phase=AttemptPhase.INTENT,
        intent_at=now,
        intent_until=min(now + life, command.deadline),
        delete_after=command.deadline + INTENT_RETENTION,
    )


def queue_entry(command: Dispatch) -> SenderAttempt:
    """The table entry of a queued command. It contains the whole command, as Kafka's copy is acknowledged."""
    return SenderAttempt(
        attempt_id=command.attempt_id,
        phase=AttemptPhase.QUEUED,
        command=command,
        delete_after=command.deadline + INTENT_RETENTION,
    )


def refuse_attempt(command: Dispatch, reason: AttemptReason, now: datetime) -> AnswerCommand:
    """End an attempt without a call. Its intent permits no call, so that a second reading cannot end otherwise."""
    return AnswerCommand(
        attempt_result(command, Outcome.NOT_SENT, now, reason=reason), new_intent(command, now, timedelta())
    )


def called_before(command: Dispatch, intent: SenderAttempt, now: datetime) -> AttemptResult:
    """The result of a command whose attempt has an intent: Twilio may have been called, and never will be again."""
    return attempt_result(
        command, Outcome.UNKNOWN, now, reason=AttemptReason.CALLED_BEFORE, intent_until=intent.intent_until
    )


def final_check(
    command: Dispatch, intent: SenderAttempt, now: datetime, *, owned: bool, stale: str | None, revoked: bool
) -> AttemptReason | None:
    """The last decision before the bytes of a call are written.

    Args:
        command: The command of the call.
        intent: The attempt's durable intent.
        now: The time right before the write, UTC.
        owned: Whether this worker owns the command's partition.
        stale: Why the revocations cannot be trusted now, or None.
        revoked: Whether the person said STOP meanwhile.

    Returns:
        The reason not to call, or None. Lost ownership comes first, because it makes every other reason uncertain.
    """
    assert intent.intent_until is not None
    if not owned:
        return AttemptReason.PARTITION_LOST
    if now >= command.deadline:
        return AttemptReason.EXPIRED
    if now >= intent.intent_until:
        return AttemptReason.INTENT_EXPIRED
    if stale is not None:
        return AttemptReason.REVOCATIONS_STALE
    return AttemptReason.OPTED_OUT if revoked else None


def complete_result(result: AttemptResult, intent: SenderAttempt, called_at: datetime | None) -> AttemptResult:
    """The result of a call as it is published, with the intent's end and the time of the call.

    If ownership was lost, ``NOT_SENT`` is downgraded to ``UNKNOWN``: this process did not call, but another worker may
    have owned the attempt meanwhile.
    """
    uncertain = result.outcome is Outcome.NOT_SENT and result.reason == AttemptReason.PARTITION_LOST
    return replace(
        result,
        outcome=Outcome.UNKNOWN if uncertain else result.outcome,
        intent_until=intent.intent_until,
        called_at=called_at,
    )
