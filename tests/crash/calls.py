"""Checks the calls to Twilio: each by the partition's owner, within the life of its intent, and once. Values only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from processors.streaming.partitioner import partition_of
from schemas.states import SenderAttempt
from tests.crash.proxy import RecordedCall
from tests.crash.tuning import PARTITIONS

NOISE = timedelta(seconds=1)
"""Allowed between the end of an intent and the record of its request, for a busy machine; every pause is longer."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A worker was paused between these times."""

    worker: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class BadCall:
    """A call that should not have been made, and the reason."""

    why: str
    call: RecordedCall

    def __str__(self) -> str:
        return f"{self.call.at:%H:%M:%S.%f} {self.call.worker} called {self.call.attempt_id}: {self.why}"


def bad_calls(
    calls: Sequence[RecordedCall],
    owner: Callable[[int, datetime], str | None],
    intents: Mapping[str, Sequence[SenderAttempt]],
    pauses: Sequence[Pause] = (),
    checked_at: Mapping[str, datetime] | None = None,
) -> list[BadCall]:
    """Every call by another worker than the partition's owner, after its intents ended, or for the second time.

    A worker that was paused between its last check and the write cannot know that it lost the partition. That is the
    one gap that docs/architecture.md leaves open, so such a call is bad only if it is a second one.

    Args:
        calls: All calls, by time.
        owner: Gives the instance id that owned a partition at a time, or None.
        intents: Every intent of each attempt.
        pauses: When which worker was paused.
        checked_at: When each attempt passed its last check, according to the worker.
    """
    excused = {id(call) for call in calls if _paused_after_its_check(call, pauses, checked_at or {})}
    others = [call for call in calls if id(call) not in excused]
    return [*_by_another_worker(others, owner), *_too_late(others, intents), *_repeated(calls)]


def _paused_after_its_check(call: RecordedCall, pauses: Sequence[Pause], checked_at: Mapping[str, datetime]) -> bool:
    checked = checked_at.get(call.attempt_id)
    return checked is not None and any(
        pause.worker == call.worker and checked <= pause.since and pause.until <= call.at for pause in pauses
    )


def _by_another_worker(
    calls: Sequence[RecordedCall], owner: Callable[[int, datetime], str | None]
) -> Iterator[BadCall]:
    for call in calls:
        partition = partition_of(call.sender.encode(), PARTITIONS)
        found = owner(partition, call.at)
        if found != instance_of(call.worker):
            yield BadCall(f"partition {partition} was owned by {found or 'nobody'}", call)


def _too_late(calls: Sequence[RecordedCall], intents: Mapping[str, Sequence[SenderAttempt]]) -> Iterator[BadCall]:
    for call in calls:
        ends = [one.intent_until for one in intents.get(call.attempt_id, ()) if one.intent_until is not None]
        if not ends or max(ends) + NOISE <= call.at:
            yield BadCall(f"its intents ended {', '.join(map(str, ends))}" if ends else "it had no intent", call)


def _repeated(calls: Sequence[RecordedCall]) -> Iterator[BadCall]:
    seen: set[str] = set()
    for call in calls:
        if call.attempt_id in seen:
            yield BadCall("the attempt was called before", call)
        seen.add(call.attempt_id)


def instance_of(worker: str) -> str:
    """The group instance id of a worker: ``smsflow-sender-2`` for ``sender-2``."""
    return f"smsflow-{worker}"
