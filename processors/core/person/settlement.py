"""What settles an attempt: answers are merged by how certain they are, not by when they arrive."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from processors.core.policy import Timing
from schemas.records import AttemptResult, Outcome
from schemas.states import AttemptState

_CERTAINTY = {
    None: 0,
    Outcome.ABSENT: 1,
    Outcome.UNKNOWN: 1,
    Outcome.NOT_SENT: 2,
    Outcome.REJECTED: 3,
    Outcome.ACCEPTED: 4,
}


def merge(attempt: AttemptState, result: AttemptResult) -> AttemptState:
    """The attempt after one more answer: any certain answer beats unknown, and a repeat of either changes nothing.

    So an ``unknown`` repeated after a crash does no harm, and the sender stage need not remember its answers.
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


def accepted_by_callback(attempt: AttemptState, sid: str, at: datetime) -> AttemptState:
    """A callback that carries our attempt's id proves that Twilio accepted it, whatever we had believed."""
    if attempt.outcome is Outcome.ACCEPTED:
        return attempt
    return replace(attempt, outcome=Outcome.ACCEPTED, sid=sid, settled_at=at)


def call_ended(attempt: AttemptState, timing: Timing) -> datetime:
    """From this instant on the attempt's call is over, whatever became of it: only then is absence evidence."""
    return (attempt.intent_until or attempt.issued_at) + timing.call_timeout


def next_look_up(attempt: AttemptState, timing: Timing, now: datetime) -> datetime | None:
    """When Twilio's list is to be asked (again), or None when it has been asked often enough."""
    if attempt.look_ups >= len(timing.look_ups):
        return None
    return max(now, call_ended(attempt, timing) + timing.look_ups[attempt.look_ups])


def given_up_at(attempt: AttemptState, timing: Timing) -> datetime:
    """When the class's own policy ends the wait for evidence, be the list silent, ambiguous or unreadable."""
    return call_ended(attempt, timing) + timing.settle_by


LOOK_UP_PATIENCE = timedelta(seconds=60)
"""A look-up that is not answered by then is asked again: reading changes nothing."""
