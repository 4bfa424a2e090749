"""Counts over many batches, for the tables that the long runs print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.crash.history import CheckResult
from tests.crash.load import Batch

COLUMNS = (
    "messages", "unknown", "settled < 60 s", "ambiguous", "STOP lost", "duplicates", "lost", "after STOP", "other",
)  # fmt: skip


def count_figures(checked: Sequence[tuple[Batch, CheckResult | None]]) -> Iterator[int]:
    """One number for each of ``COLUMNS``; a batch that was not checked in time has no result."""
    results = [result for _, result in checked if result is not None]
    yield sum(len(batch.requests) for batch, _ in checked)
    yield sum(len(result.settled_s) for result in results)
    yield sum(result.settled_in_time for result in results)
    yield sum(len(result.ambiguous) for result in results)
    yield sum(result.lost_stops for result in results)
    for kinds in (("duplicate",), ("lost",), ("after_stop",), ("contradiction", "disagreement")):
        yield sum(result.count(kind) for result in results for kind in kinds)
