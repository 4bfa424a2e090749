"""What is known of one batch, and what a judge makes of it. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schemas.states import ConsentRecord, MessageState, SenderAttempt
from tests.crash.load import Batch
from tests.crash.records import Seen, attempt_of, message_of, moment
from tests.crash.stores import Stored

SETTLED_WITHIN_S = 60.0
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """``rows``: the simulator's ledger. ``dead_letters``: the values of the records set aside.

    ``states`` and ``consents`` are the tables'; ``stored`` is ClickHouse's, None where it is not asked. ``heard_from``:
    people whose text or change of consent reached a topic.
    """

    batch: Batch
    records: Mapping[str, Sequence[Seen]]
    revocations: Sequence[Seen]
    dead_letters: frozenset[bytes]
    rows: Sequence[Row]
    states: Mapping[str, MessageState]
    consents: Mapping[str, ConsentRecord]
    heard_from: Set[str]
    intents: Mapping[str, Sequence[SenderAttempt]]
    stored: Mapping[str, Stored] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken promise. ``kind``: duplicate, lost, after_stop, contradiction, or disagreement with the ledger."""

    kind: str
    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``waiting``: messages that wait under a name, by it. ``settled_s``: per unknown attempt, None if it still is.

    ``doubts``: messages that ended as ``outcome_unknown`` although the simulator has them; see `tests.crash.checker`.
    ``unheard``: STOPs that died with the ingester before anything of ours had them; Twilio's own block is left then.
    """

    problems: tuple[Problem, ...]
    waiting: Mapping[str, str]
    settled_s: tuple[float | None, ...]
    accepted: int
    suppressed: int
    doubts: frozenset[str] = frozenset()
    unheard: int = 0

    @property
    def at_rest(self) -> bool:
        """Whether all is well and nothing is left to wait for."""
        return not self.problems and not self.waiting

    def count(self, kind: str) -> int:
        """How many problems of a kind."""
        return sum(problem.kind == kind for problem in self.problems)

    @property
    def settled_in_time(self) -> int:
        """Unknown attempts that were settled within 60 s."""
        return sum(seconds is not None and seconds <= SETTLED_WITHIN_S for seconds in self.settled_s)


def history(message_id: str, evidence: Evidence, told: Sequence[tuple[datetime, str]] = ()) -> str:
    """All that is known of one message, in order: its records, its ledger rows, and who died meanwhile."""
    lines = [(one.at, str(one)) for one in evidence.records.get(message_id, ())]
    for row in evidence.rows:
        if message_of(attempt_of(row)) == message_id:
            steps = " ".join(f"{step['status']} {step['at']}" for step in row["statuses"])
            lines.append((moment(row["accepted_at"]), f"ledger {row['sid']} {attempt_of(row)}: {steps}"))
    if lines:
        first, last = min(lines)[0] - timedelta(seconds=5), max(lines)[0] + timedelta(seconds=5)
        lines += [(at, f"*** {what}") for at, what in told if first <= at <= last]
    return "\n".join(f"  {at:%H:%M:%S.%f} {line}" for at, line in sorted(lines))
