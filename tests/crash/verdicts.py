"""Waits until a batch has come to rest, then judges it; what fails is shown with its shortest history."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from schemas.states import SenderAttempt
from tests.crash.checker import calls, judge
from tests.crash.history import Evidence, Row, Verdict, history
from tests.crash.load import Batch
from tests.crash.records import Log
from tests.crash.system import System

REST_S = 240.0
"""Longer than an unknown answer takes (its intent, its call, look-ups, giving up), a retry, and a sender that rests
again and again while urgent texts go before the bulk ones: 90 s were not enough once. Only what is broken takes it all.
"""
_SHOWN = 2


class Court:
    """Judges the batches of one system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._log = Log(system.kafka.bootstrap)
        self._rows: list[Row] = []

    def close(self) -> None:
        self._log.close()

    def read(self) -> None:
        """Take note of everything there is by now: first of the ledger, so that no row is newer than the records."""
        self._rows = self._system.ledger()
        self._log.read()

    @property
    def intents(self) -> Mapping[str, Sequence[SenderAttempt]]:
        """Attempt → its intents, as of the last `read`."""
        return self._log.intents

    @property
    def late_writes(self) -> Sequence[str]:
        """Writes to the tables' changelogs by a worker whose partition was another's by then."""
        return self._log.late_writes

    def checked_at(self) -> dict[str, datetime]:
        """Attempt → when its last check let its call pass, by the answers known at the last `read`."""
        return calls(self._log.of_message)

    def verdict(self, batch: Batch) -> Verdict:
        """By what was known at the last `read`; ClickHouse is asked when there is nothing else left to wait for."""
        evidence = self.evidence(batch)
        verdict = judge(evidence)
        if not verdict.at_rest or "sink" not in self._system.roles:
            return verdict
        return judge(replace(evidence, stored=self._system.stored_messages(batch.ids)))

    def evidence(self, batch: Batch) -> Evidence:
        """What was known of a batch at the last `read`, without ClickHouse."""
        return Evidence(
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

    def judge(self, batch: Batch, rest_s: float = REST_S, meanwhile: Callable[[], None] = lambda: None) -> Verdict:
        """The verdict as soon as there is nothing left to wait for, at the latest after ``rest_s``."""
        end = time.monotonic() + rest_s
        while True:
            self.read()
            verdict = self.verdict(batch)
            if verdict.at_rest or time.monotonic() > end:
                return verdict
            meanwhile()
            time.sleep(0.3)

    def explain(self, batch: Batch, verdict: Verdict) -> str:
        """The problems, the shortest histories first."""
        evidence = self.evidence(batch)
        shown = [(history(one.message_id, evidence, self._system.told), one) for one in verdict.problems]
        shown.sort(key=lambda pair: len(pair[0]))
        told = [f"{one.kind} {one.message_id}: {one.text}\n{text}" for text, one in shown[:_SHOWN]]
        more = [f"{one.kind} {one.message_id}: {one.text}" for _, one in shown[_SHOWN:]]
        return "\n".join([*told, *more, *self._system.fallen()])
