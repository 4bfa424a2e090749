"""What is counted over many batches, for the tables that the long runs print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.crash.history import Verdict
from tests.crash.load import Batch

COLUMNS = (
    "messages", "unknown", "settled < 60 s", "in doubt", "STOP unheard", "duplicates", "lost", "after STOP", "other",
)  # fmt: skip


def figures(judged: Sequence[tuple[Batch, Verdict | None]]) -> Iterator[int]:
    """One number for each of `COLUMNS`."""
    verdicts = [verdict for _, verdict in judged if verdict is not None]
    yield sum(len(batch.requests) for batch, _ in judged)
    yield sum(len(verdict.settled_s) for verdict in verdicts)
    yield sum(verdict.settled_in_time for verdict in verdicts)
    yield sum(len(verdict.doubts) for verdict in verdicts)
    yield sum(verdict.unheard for verdict in verdicts)
    for kinds in (("duplicate",), ("lost",), ("after_stop",), ("contradiction", "disagreement")):
        yield sum(verdict.count(kind) for verdict in verdicts for kind in kinds)
