"""At most once: what a command means for an attempt, given what is known of it. Values only.

An attempt may be called once in its life, and what says so is its *intent*: durable before the call, never taken back.
So a command that finds an intent is never called again: whether the call happened is then unknown, and evidence settles
it. Whatever else ends an attempt here (expired, opted out) leaves the same mark, because the reason may be gone when
the command is read once more, and by then the person stage may have issued the next attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from schemas.records import Action, AttemptResult, Dispatch, Outcome
from schemas.states import AttemptPhase, SenderAttempt

KEEP = timedelta(days=8)
"""How long after its deadline an attempt is remembered: longer than a dispatch topic keeps its command."""

PARTITION_LOST = "partition_lost"
EXPIRED = "expired"
OPTED_OUT = "opted_out"
REVOCATIONS_STALE = "revocations_stale"
INTENT_EXPIRED = "intent_expired"
OWN_REASONS = frozenset({PARTITION_LOST, EXPIRED, OPTED_OUT, REVOCATIONS_STALE, INTENT_EXPIRED})
"""Why an attempt of ours was not made although nothing was wrong with Twilio."""


@dataclass(frozen=True, slots=True)
class AnswerCommand:
    """Say this, after ``mark`` (if there is one) is durable."""

    result: AttemptResult
    mark: SenderAttempt | None = None


@dataclass(frozen=True, slots=True)
class QueueCommand:
    """Not now: keep it, durably, and come back to it not before ``until`` (None: as soon as its sender can)."""

    entry: SenderAttempt
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallTwilio:
    """Make the intent durable, then call, then answer."""

    intent: SenderAttempt


@dataclass(frozen=True, slots=True)
class LookUpMessage:
    """Ask Twilio's list, then answer. It only reads, so it may be repeated and needs no intent."""


Verdict = AnswerCommand | QueueCommand | CallTwilio | LookUpMessage


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """What a decision depends on beside the command and the attempt's mark.

    ``revoked``: the person said STOP to what this message is. ``stale``: why revocations cannot be trusted now, or
    None. ``intent_life``: how long an intent permits its call.
    """

    now: datetime
    revoked: bool
    stale: str | None
    intent_life: timedelta


def decide_command(command: Dispatch, mark: SenderAttempt | None, around: AttemptContext) -> Verdict:
    """What to do with a command, its sender's limit aside. ``mark`` is the attempt's intent, if it has one."""
    early = command.not_before is not None and command.not_before > around.now
    if command.action is Action.LOOK_UP:
        return QueueCommand(queue_entry(command), command.not_before) if early else LookUpMessage()
    if mark is not None:
        return AnswerCommand(called_before(command, mark, around.now))
    if around.now >= command.deadline:
        return refuse_attempt(command, EXPIRED, around.now)
    if early:
        return QueueCommand(queue_entry(command), command.not_before)
    if around.stale is not None:
        return QueueCommand(queue_entry(command))
    if around.revoked:
        return refuse_attempt(command, OPTED_OUT, around.now)
    return CallTwilio(intent(command, around.now, around.intent_life))


def intent(command: Dispatch, now: datetime, life: timedelta) -> SenderAttempt:
    """The mark of an attempt that may be called until its short life ends, and never after its deadline."""
    return SenderAttempt(
        attempt_id=command.attempt_id,
        phase=AttemptPhase.INTENT,
        intent_at=now,
        intent_until=min(now + life, command.deadline),
        keep_until=command.deadline + KEEP,
    )


def queue_entry(command: Dispatch) -> SenderAttempt:
    """The entry of a command that waits: it holds the whole command, as Kafka's copy is acknowledged."""
    return SenderAttempt(
        attempt_id=command.attempt_id,
        phase=AttemptPhase.QUEUED,
        action=command.action,
        command=command,
        keep_until=command.deadline + KEEP,
    )


def refuse_attempt(command: Dispatch, reason: str, now: datetime) -> AnswerCommand:
    """End an attempt without a call. Its mark permits none, so that a second reading cannot end otherwise."""
    return AnswerCommand(
        attempt_result(command, Outcome.NOT_SENT, now, reason=reason), intent(command, now, timedelta())
    )


def called_before(command: Dispatch, mark: SenderAttempt, now: datetime) -> AttemptResult:
    """The answer to a command whose attempt has an intent: it may have been called, and never will be again."""
    return attempt_result(command, Outcome.UNKNOWN, now, reason="called_before", intent_until=mark.intent_until)


def final_check(intent: SenderAttempt, now: datetime, *, fenced: bool, stale: str | None, revoked: bool) -> str | None:
    """The last check, right before the bytes of a call are written: why not to write them, or None."""
    assert intent.intent_until is not None
    if not fenced:
        return PARTITION_LOST
    if now >= intent.intent_until:
        return INTENT_EXPIRED
    if stale is not None:
        return REVOCATIONS_STALE
    return OPTED_OUT if revoked else None


def complete_result(result: AttemptResult, intent: SenderAttempt, called_at: datetime | None) -> AttemptResult:
    """A call's result as it is answered, with the intent's end and the moment of the call.

    Without the partition "not sent" would be too much said: this process called nobody, but for a time it can't judge
    another one was the attempt's owner.
    """
    doubtful = result.outcome is Outcome.NOT_SENT and result.reason == PARTITION_LOST
    return replace(
        result,
        outcome=Outcome.UNKNOWN if doubtful else result.outcome,
        intent_until=intent.intent_until,
        called_at=result.called_at or called_at,
    )


def attempt_result(command: Dispatch, outcome: Outcome, now: datetime, **fields: Any) -> AttemptResult:
    """An answer to a command, with the command's own names in it."""
    return AttemptResult(
        attempt_id=command.attempt_id,
        message_id=command.message_id,
        attempt=command.attempt,
        action=command.action,
        person=command.person,
        sender=command.sender,
        outcome=outcome,
        answered_at=now,
        **fields,
    )
