"""The judgement over the calls themselves: each by the partition's owner, on a living intent. Values only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from processors.streaming.partitioner import partition_of
from schemas.states import SenderAttempt
from tests.crash.proxy import Heard
from tests.crash.system import PARTITIONS

NOISE = timedelta(seconds=1)
"""Between the last check and the moment its request was heard: a busy machine. Nobody is frozen for so short a time."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A worker did nothing between these moments."""

    worker: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class BadCall:
    """A call that should not have been made, and why not."""

    why: str
    call: Heard

    def __str__(self) -> str:
        return f"{self.call.at:%H:%M:%S.%f} {self.call.worker} called {self.call.attempt_id}: {self.why}"


def bad_calls(
    calls: Sequence[Heard],
    owner: Callable[[int, datetime], str | None],
    intents: Mapping[str, Sequence[SenderAttempt]],
    pauses: Sequence[Pause] = (),
    checked_at: Mapping[str, datetime] | None = None,
) -> list[BadCall]:
    """Every call of another worker than the partition's owner, on no living intent, or for the second time.

    ``owner`` gives the instance id that owned a partition at a time. ``checked_at``: attempt → when its last check was
    passed, by the worker's own account: a worker that was frozen between that and the write cannot know (the one gap
    that `docs/architecture.md` leaves open), so such a call is none of these.
    """
    excused = {id(call) for call in calls if _frozen_after_its_check(call, pauses, checked_at or {})}
    judged = [call for call in calls if id(call) not in excused]
    return [*_foreign(judged, owner), *_too_late(judged, intents), *_repeated(calls)]


def _frozen_after_its_check(call: Heard, pauses: Sequence[Pause], checked_at: Mapping[str, datetime]) -> bool:
    checked = checked_at.get(call.attempt_id)
    return checked is not None and any(
        pause.worker == call.worker and checked <= pause.since and pause.until <= call.at for pause in pauses
    )


def _foreign(calls: Sequence[Heard], owner: Callable[[int, datetime], str | None]) -> Iterator[BadCall]:
    for call in calls:
        partition = partition_of(call.sender.encode(), PARTITIONS)
        found = owner(partition, call.at)
        if found != instance_of(call.worker):
            yield BadCall(f"partition {partition} was {found or 'nobody'}'s", call)


def _too_late(calls: Sequence[Heard], intents: Mapping[str, Sequence[SenderAttempt]]) -> Iterator[BadCall]:
    for call in calls:
        ends = [one.intent_until for one in intents.get(call.attempt_id, ()) if one.intent_until is not None]
        if not ends or max(ends) + NOISE <= call.at:
            yield BadCall(f"its intents ended {', '.join(map(str, ends)) or 'before there was one'}", call)


def _repeated(calls: Sequence[Heard]) -> Iterator[BadCall]:
    seen: set[str] = set()
    for call in calls:
        if call.attempt_id in seen:
            yield BadCall("it had been called before", call)
        seen.add(call.attempt_id)


def instance_of(worker: str) -> str:
    """``smsflow-sender-2`` of ``sender-2``: its name as a static member of the group."""
    return f"smsflow-{worker}"
