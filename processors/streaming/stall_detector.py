"""Ends a worker that has work and makes no progress: Faust's consumers are known to stall without a sign.

Source: https://github.com/faust-streaming/faust/issues/175 and others like it; the causes are many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import faust
from faust.types import TP

from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.transport import consumer_of

CHECKS_PER_TIMEOUT = 4


class Stall:
    """Decides when a lag without progress has lasted ``stall_s`` seconds."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._since: dict[TP, tuple[int, float]] = {}

    def stalled(self, committed: Mapping[TP, int], lag: Mapping[TP, int], now: float) -> TP | None:
        """A partition that had lag for ``stall_s`` while its committed offset stood still, or None.

        Args:
            committed: The committed offset of each owned partition.
            lag: How many records of each are not committed.
            now: Seconds on a monotonic clock.
        """
        self._since = {tp: self._seen(tp, committed.get(tp, 0), now) for tp, behind in lag.items() if behind > 0}
        return next((tp for tp, (_, since) in self._since.items() if now - since >= self._stall_s), None)

    def reset(self) -> None:
        """Forget what was seen: a rebalance or a recovery is no stall."""
        self._since = {}

    def _seen(self, tp: TP, committed: int, now: float) -> tuple[int, float]:
        known = self._since.get(tp)
        return known if known is not None and known[0] == committed else (committed, now)


def start_stall_detector(
    app: faust.App,
    source_topics: Sequence[str],
    stall_s: float,
    fail: FailStop = fail_stop,
    elapsed: Callable[[], float] = time.monotonic,
) -> None:
    """Let ``fail`` end the worker when records wait and nothing of their partition was committed for ``stall_s``.

    Args:
        app: The worker's app.
        source_topics: The topics whose partitions are looked at.
        stall_s: Seconds.
        fail: Called with the first stalled partition.
        elapsed: A monotonic clock.
    """
    topics, stall = frozenset(source_topics), Stall(stall_s)

    async def check() -> None:
        if app.rebalancing or app.in_recovery:
            stall.reset()
            return
        committed = consumer_of(app).committed_offsets(topics)
        stalled = stall.stalled(committed, _lag(app, committed), elapsed())
        if stalled is not None:
            fail(f"no progress on {stalled.topic}/{stalled.partition} for {stall_s:g} s", None)

    app.timer(stall_s / CHECKS_PER_TIMEOUT, traced=False, name="stall detector")(check)


def _lag(app: faust.App, committed: Mapping[TP, int]) -> dict[TP, int]:
    """Records known to be there and not committed. Asks nobody: the high water came with the last fetch."""
    return {tp: (app.consumer.highwater(tp) or 0) - offset for tp, offset in committed.items()}
