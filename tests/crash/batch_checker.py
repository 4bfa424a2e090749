"""Waits until a batch is at rest, then checks it; shows each problem with its message's timeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from schemas.states import SenderAttempt
from tests.crash.checker import call_times, check
from tests.crash.history import BatchHistory, CheckResult, Row, timeline
from tests.crash.load import Batch
from tests.crash.records import TopicLog
from tests.crash.system import System

REST_S = 240.0
"""Longer than an unknown outcome takes (its intent, its call, look-ups, giving up), a retry, and a sender that pauses
again and again while urgent texts go before the bulk ones: 90 s were once not enough. Only a broken batch takes it all.
"""
_SHOWN = 2


class BatchChecker:
    """Checks the batches of one system, by what the last ``read`` found."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._log = TopicLog(system.kafka.bootstrap)
        self._rows: list[Row] = []

    def close(self) -> None:
        self._log.close()

    def read(self) -> None:
        """Read the ledger, then the topics: in this order no row is newer than the records."""
        self._rows = self._system.ledger()
        self._log.read()

    @property
    def intents(self) -> Mapping[str, Sequence[SenderAttempt]]:
        """Every intent of each attempt."""
        return self._log.intents

    @property
    def late_writes(self) -> Sequence[str]:
        """Changelog records written by a worker that no longer owned the partition."""
        return self._log.late_writes

    def checked_at(self) -> dict[str, datetime]:
        """When each attempt passed the last check before its call, according to its results."""
        return call_times(self._log.of_message)

    def check(self, batch: Batch) -> CheckResult:
        """Check a batch; ClickHouse is asked only when nothing else is left to wait for."""
        history = self.history(batch)
        result = check(history)
        if not result.at_rest or "sink" not in self._system.roles:
            return result
        return check(replace(history, stored=self._system.stored_messages(batch.ids)))

    def history(self, batch: Batch) -> BatchHistory:
        """What is known of a batch, without ClickHouse."""
        return BatchHistory(
            batch=batch,
            records=self._log.of_message,
            revocations=tuple(self._log.revocations),
            dead_letters=frozenset(one.record.value or b"" for one in self._log.dead_letters),
            rows=self._rows,
            states=self._log.states,
            consents=self._log.consents,
            heard_from=self._log.heard_from,
            intents=self._log.intents,
        )

    def wait_and_check(
        self, batch: Batch, rest_s: float = REST_S, meanwhile: Callable[[], None] = lambda: None
    ) -> CheckResult:
        """Check until nothing is left to wait for, at most ``rest_s`` seconds; call ``meanwhile`` between checks."""
        end = time.monotonic() + rest_s
        while True:
            self.read()
            result = self.check(batch)
            if result.at_rest or time.monotonic() > end:
                return result
            meanwhile()
            time.sleep(0.3)

    def explain(self, batch: Batch, result: CheckResult) -> str:
        """The problems, those with the shortest timelines first; only these are shown with their timelines."""
        history = self.history(batch)
        problems = [(timeline(one.message_id, history, self._system.events), one) for one in result.problems]
        problems.sort(key=lambda pair: len(pair[0]))
        shown = [f"{one.kind} {one.message_id}: {one.text}\n{text}" for text, one in problems[:_SHOWN]]
        more = [f"{one.kind} {one.message_id}: {one.text}" for _, one in problems[_SHOWN:]]
        return "\n".join([*shown, *more, *self._system.exit_reports()])
