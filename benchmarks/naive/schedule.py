"""What both sides go through, and how it is counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from schemas.records import SendRequest
from tests.crash.checker import GRACE, SLOWEST
from tests.crash.load import Batch, make_batch
from tests.crash.records import parse_time

RATE = 20.0
"""Requests per second."""
EACH = 4
"""Messages per person."""
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Schedule:
    """``kills``: how many messages the simulator has accepted when the workers die."""

    seed: int
    batch: Batch
    kills: tuple[int, ...]

    @staticmethod
    def of(messages: int, seed: int) -> Schedule:
        """The workers die after an eighth, a quarter, a half and three quarters."""
        name = f"baseline-{seed}"
        made = make_batch(name, name, 0, messages // EACH, EACH, stops=max(1, messages // 80))
        kills = tuple(len(made.requests) * eighths // 8 for eighths in (1, 2, 4, 6))
        return Schedule(seed, replace(made, garbage=()), kills)


class Side(Protocol):
    """One way to send, with a simulator of its own."""

    name: str

    def ask(self, request: SendRequest) -> None:
        """Hand over one request, durably."""
        ...

    def stop(self, person: str, *, by_text: bool) -> None:
        """The person says STOP: by a text to one of the numbers, or to an operator who notes it."""
        ...

    def accepted(self) -> int:
        """How many messages the simulator has accepted."""
        ...

    def fall(self) -> None:
        """Kill -9 what sends, and start its successor."""
        ...

    def result(self, schedule: Schedule) -> Result:
        """The count once all has come to rest."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    ``accepted`` counts messages, ``duplicates`` acceptances beyond a message's first. Of the other messages
    ``suppressed`` are those not sent because of a STOP, ``failed`` those reported as failed or unknown, ``lost`` those
    of which nothing was said.
    """

    name: str
    requested: int
    accepted: int
    duplicates: int
    suppressed: int
    failed: int
    lost: int
    after_stop: int
    kills: int


def run(side: Side, schedule: Schedule) -> Result:
    """Everything in its order; what is asked for goes on while workers are dead."""
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(_kill, side, schedule.kills)
        _ask(side, schedule.batch)
        killing.result()
    return side.result(schedule)


def _ask(side: Side, what: Batch) -> None:
    began, half = time.monotonic(), len(what.requests) // 2
    for number, request in enumerate(what.requests):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        side.ask(_from_now(request))
        if number == half:
            for person in (*what.texted_stop, *what.opted_out):
                side.stop(person, by_text=person in what.texted_stop)


def _from_now(request: SendRequest) -> SendRequest:
    """The same request, made now: what was to wait so long still does."""
    now = datetime.now(UTC)
    later = None if request.send_at is None else now + (request.send_at - request.requested_at)
    return replace(request, requested_at=now, send_at=later)


def _kill(side: Side, kills: Sequence[int]) -> None:
    for accepted in kills:
        while side.accepted() < accepted:
            time.sleep(_LOOK_S)
        side.fall()


def count(
    side: str,
    schedule: Schedule,
    accepted: Iterable[tuple[str, str, datetime]],
    suppressed: frozenset[str],
    failed: frozenset[str],
    stops: Mapping[str, datetime],
) -> Result:
    """``accepted``: message, person and time per row of the simulator's ledger. ``stops``: when each was on record."""
    rows = [row for row in accepted if row[0] in schedule.batch.ids]
    times = Counter(message_id for message_id, _, _ in rows)
    rest = schedule.batch.ids - times.keys()
    late = [row for row in rows if row[1] in stops and row[2] > stops[row[1]] + GRACE + SLOWEST]
    return Result(
        name=side,
        requested=len(schedule.batch.requests),
        accepted=len(times),
        duplicates=len(rows) - len(times),
        suppressed=len(rest & suppressed),
        failed=len(rest & failed - suppressed),
        lost=len(rest - suppressed - failed),
        after_stop=len(late),
        kills=len(schedule.kills),
    )


def rows_of(ledger: Iterable[Mapping[str, Any]], message_of: Any) -> list[tuple[str, str, datetime]]:
    """The ledger as `count` takes it."""
    return [(message_of(row) or "", row["to"], parse_time(row["accepted_at"])) for row in ledger]
