"""What is known of one batch, and the result of its check. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schemas.states import ConsentRecord, MessageState, SenderAttempt
from tests.crash.load import Batch
from tests.crash.records import ReadRecord, attempt_of, message_of, parse_time
from tests.crash.stores import Stored

SETTLED_WITHIN_S = 60.0
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BatchHistory:
    """What is known of one batch.

    Args:
        batch: The batch.
        records: Every record of each message, by message id.
        revocations: Every revocation, of any person.
        dead_letters: The values of all records in dead-letter topics.
        rows: The simulator's ledger.
        states: The newest state of each message in the table.
        consents: The newest consent of each person in the table.
        heard_from: People whose text or consent change is on a topic.
        intents: Every intent of each attempt.
        stored: What ClickHouse has of each message; None where it was not asked.
    """

    batch: Batch
    records: Mapping[str, Sequence[ReadRecord]]
    revocations: Sequence[ReadRecord]
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
class CheckResult:
    """The result of one check.

    Args:
        problems: The broken promises.
        waiting: What each waiting message waits for, by message id.
        settled_s: Seconds until each unknown attempt was settled; None: it still is not.
        accepted: How many of the batch's messages the simulator accepted.
        suppressed: How many messages were suppressed.
        ambiguous: Messages that ended as ``outcome_unknown`` although the simulator has them; see
            ``tests.crash.checker``.
        lost_stops: STOPs that were lost with the ingester before a topic had them; only Twilio's own block is left.
    """

    problems: tuple[Problem, ...]
    waiting: Mapping[str, str]
    settled_s: tuple[float | None, ...]
    accepted: int
    suppressed: int
    ambiguous: frozenset[str] = frozenset()
    lost_stops: int = 0

    @property
    def at_rest(self) -> bool:
        """Whether there is no problem and nothing left to wait for."""
        return not self.problems and not self.waiting

    def count(self, kind: str) -> int:
        """How many problems of a kind there are."""
        return sum(problem.kind == kind for problem in self.problems)

    @property
    def settled_in_time(self) -> int:
        """How many unknown attempts were settled within 60 s."""
        return sum(seconds is not None and seconds <= SETTLED_WITHIN_S for seconds in self.settled_s)


def timeline(message_id: str, history: BatchHistory, events: Sequence[tuple[datetime, str]] = ()) -> str:
    """Everything known of one message, by time: its records, its ledger rows, and ``events`` around them."""
    lines = [(one.at, str(one)) for one in history.records.get(message_id, ())]
    for row in history.rows:
        if message_of(attempt_of(row)) == message_id:
            steps = " ".join(f"{step['status']} {step['at']}" for step in row["statuses"])
            lines.append((parse_time(row["accepted_at"]), f"ledger {row['sid']} {attempt_of(row)}: {steps}"))
    if lines:
        first, last = min(lines)[0] - timedelta(seconds=5), max(lines)[0] + timedelta(seconds=5)
        lines += [(at, f"*** {what}") for at, what in events if first <= at <= last]
    return "\n".join(f"  {at:%H:%M:%S.%f} {line}" for at, line in sorted(lines))
