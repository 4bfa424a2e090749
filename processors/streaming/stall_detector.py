"""Ends a worker that has work and makes no progress: Faust's consumers are known to stall without a sign."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import faust
from faust.types import TP

from processors.streaming.fail_stop import FailStop, fail_stop

CHECKS_PER_TIMEOUT = 4


class Stall:
    """Decides when a lag that does not move has lasted ``stuck_s`` seconds."""

    def __init__(self, stuck_s: float) -> None:
        self._stuck_s = stuck_s
        self._since: dict[TP, tuple[int, float]] = {}

    def stuck(self, committed: Mapping[TP, int], lag: Mapping[TP, int], now: float) -> TP | None:
        """The partition that had lag all that time while its committed offset stood still, or None."""
        self._since = {tp: self._seen(tp, committed.get(tp, 0), now) for tp, behind in lag.items() if behind > 0}
        return next((tp for tp, (_, since) in self._since.items() if now - since >= self._stuck_s), None)

    def reset(self) -> None:
        """Forget what was seen: a rebalance or a recovery is no stall."""
        self._since = {}

    def _seen(self, tp: TP, committed: int, now: float) -> tuple[int, float]:
        known = self._since.get(tp)
        return known if known is not None and known[0] == committed else (committed, now)


def start_watchdog(
    app: faust.App,
    source_topics: Sequence[str],
    stuck_s: float,
    fail: FailStop = fail_stop,
    elapsed: Callable[[], float] = time.monotonic,
) -> None:
    """Give the first stalled partition to ``fail``: records wait and nothing was committed for ``stuck_s`` seconds."""
    topics, stall = frozenset(source_topics), Stall(stuck_s)

    async def check() -> None:
        if app.rebalancing or app.in_recovery:
            stall.reset()
            return
        committed = committed_offsets(app, topics)
        stuck = stall.stuck(committed, lag(app, committed), elapsed())
        if stuck is not None:
            fail(f"no progress on {stuck.topic}/{stuck.partition} for {stuck_s:g} s", None)

    app.timer(stuck_s / CHECKS_PER_TIMEOUT, traced=False, name="watchdog")(check)


def committed_offsets(app: faust.App, topics: frozenset[str]) -> dict[TP, int]:
    """Of every owned partition of these topics: the offset of the next record to commit, 0 where none was."""
    consumer = app.consumer
    return {tp: consumer._committed_offset.get(tp) or 0 for tp in consumer.assignment() if tp.topic in topics}


def lag(app: faust.App, committed: Mapping[TP, int]) -> dict[TP, int]:
    """Records known to be there and not committed; asks nobody."""
    return {tp: (app.consumer.highwater(tp) or 0) - offset for tp, offset in committed.items()}
