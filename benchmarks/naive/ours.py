"""smsflow on the same schedule: the whole system, both its workers killed where Celery's is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Producer

from benchmarks.naive.schedule import Result, Schedule, count, rows_of
from processors.local.simulated_senders import POOL
from schemas.codec import Codec
from schemas.enums import ConsentState
from schemas.records import ConsentChange, Failed, SendRequest
from schemas.topics import SMS_CONSENT, SMS_REQUESTS
from tests.crash.batch_checker import REST_S, BatchChecker
from tests.crash.records import ReadRecord, attempt_of, message_of
from tests.crash.system import System

CODEC = Codec()
WORKERS = ("sender", "person")


class Ours:
    """smsflow on its own Kafka and its own simulator."""

    name = "smsflow"

    def __init__(self, folder: Path, seed: int) -> None:
        self._system = System(folder, seed=seed, rate=10.0, sink=False)

    def __enter__(self) -> Ours:
        self._system.__enter__()
        self._system.arm_faults()
        self._producer = Producer(
            {"bootstrap.servers": self._system.kafka.bootstrap, "partitioner": "murmur2_random", "log_level": 0}
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._system.stop()

    def ask(self, request: SendRequest) -> None:
        self._producer.produce(SMS_REQUESTS.name, CODEC.encode(request), request.to.encode())
        self._producer.poll(0)

    def stop(self, person: str, *, by_text: bool) -> None:
        if by_text:
            self._system.text(person, POOL[-1], "STOP")
            return
        change = ConsentChange(
            change_id=f"stop-{person}", person=person, state=ConsentState.OPTED_OUT, occurred_at=datetime.now(UTC)
        )
        self._producer.produce(SMS_CONSENT.name, CODEC.encode(change), person.encode())
        self._producer.flush()

    def fall(self) -> None:
        for name in WORKERS:
            self._system.kill(name)
        for name in WORKERS:
            assert self._system.restart(name), self._system.exit_reports()

    def accepted(self) -> int:
        return self._system.accepted()

    def result(self, schedule: Schedule) -> Result:
        """Once every message has its end."""
        self._producer.flush()
        checker = BatchChecker(self._system)
        result = checker.wait_and_check(schedule.batch, REST_S, self._system.restart_ended)
        history = checker.history(schedule.batch)
        checker.close()
        silent = {problem.message_id for problem in result.problems if problem.kind == "lost"} | result.waiting.keys()
        stops: dict[str, datetime] = {}
        for one in history.revocations:
            if one.record.revoked:
                stops.setdefault(one.record.person, one.at)
        rows = rows_of(history.rows, lambda row: message_of(attempt_of(row)))
        suppressed = frozenset(name for name, found in history.records.items() if any(map(_is_suppressed, found)))
        return count(self.name, schedule, rows, suppressed, schedule.batch.ids - silent, stops)


def _is_suppressed(seen: ReadRecord) -> bool:
    return isinstance(seen.record, Failed) and seen.record.suppressed
