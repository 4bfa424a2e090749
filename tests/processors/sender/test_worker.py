"""The sender stage as a process, on a real Kafka, against a Twilio that counts."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.enums import Lane, Outcome
from schemas.records import AttemptResult, Dispatch
from tests.builders import dispatch
from tests.conftest import KafkaServer
from tests.processors.sender.cluster import Cluster
from tests.processors.sender.fake_twilio import FakeTwilio
from tests.processors.sender.worker import FAST, SESSION_S

pytestmark = pytest.mark.kafka
SLOW = "+15005559999"


@pytest.fixture
def cluster(kafka: KafkaServer, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(kafka.bootstrap, tmp_path)
    yield cluster
    cluster.kill_all()


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as server:
        yield server


def commands(numbers: Iterable[int], sender: str | None = None) -> list[Dispatch]:
    now = datetime.now(UTC).replace(microsecond=0)
    return [
        dispatch(
            attempt_id=f"m{number}/1",
            message_id=f"m{number}",
            lane=list(Lane)[number % 3],
            sender=sender or FAST[number % len(FAST)],
            person=f"+1212555{100 + number % 100:04d}",
            deadline=now + timedelta(minutes=10),
            issued_at=now,
        )
        for number in numbers
    ]


class Answered:
    """Says when every one of these attempts has an answer."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._missing = {f"m{number}/1" for number in numbers}
        self._seen = 0

    def __call__(self, found: Sequence[AttemptResult]) -> bool:
        self._missing.difference_update(answer.attempt_id for answer in found[self._seen :])
        self._seen = len(found)
        return not self._missing


def assert_honest(answers: Sequence[AttemptResult], twilio: FakeTwilio) -> None:
    """Nobody was called twice, and what was called is never said to be not sent."""
    assert {attempt for attempt, times in twilio.called.items() if times > 1} == set()
    denied = {answer.attempt_id for answer in answers if answer.outcome in (Outcome.NOT_SENT, Outcome.REJECTED)}
    assert denied & set(twilio.called) == set()
    accepted = [answer.attempt_id for answer in answers if answer.outcome is Outcome.ACCEPTED]
    assert set(accepted) <= set(twilio.called)


def test_kill_9_of_workers_calls_nobody_twice_and_leaves_no_command_unanswered(
    cluster: Cluster, twilio: FakeTwilio
) -> None:
    total = 3000
    cluster.dispatch(commands(range(total)))
    killed_at = []
    for _ in range(4):
        worker = cluster.worker(twilio.url)
        started = sum(twilio.called.values())
        while sum(twilio.called.values()) < started + 250:
            assert worker.poll() is None, cluster.log()
            time.sleep(0.005)
        worker.kill()
        worker.wait()
        killed_at.append(sum(twilio.called.values()))
    cluster.worker(twilio.url)

    answers = cluster.answers(Answered(range(total)))

    assert killed_at[-1] < total, "no worker died at work"
    assert_honest(answers, twilio)
    unknown = {answer.attempt_id for answer in answers if answer.outcome is Outcome.UNKNOWN}
    accepted = {answer.attempt_id for answer in answers if answer.outcome is Outcome.ACCEPTED}
    assert unknown | accepted == {f"m{number}/1" for number in range(total)}
    assert len(unknown - accepted) <= 4 * 50  # what was open when it died


def test_what_waits_for_its_sender_survives_kill_9_and_goes_at_the_senders_pace(
    cluster: Cluster, twilio: FakeTwilio
) -> None:
    """Its records were acknowledged long ago: the table has it."""
    cluster.dispatch(commands(range(12), SLOW))
    worker = cluster.worker(twilio.url)
    while not twilio.called:
        time.sleep(0.01)
    time.sleep(2.5)  # everything is queued, and committed
    worker.kill()
    worker.wait()
    began, before = time.monotonic(), sum(twilio.called.values())
    cluster.worker(twilio.url)

    answers = cluster.answers(Answered(range(12)))

    took = time.monotonic() - began
    assert_honest(answers, twilio)
    assert before < 6
    assert sum(twilio.called.values()) - before <= took + 1


def test_sigterm_lets_open_calls_end_and_repeats_nothing(cluster: Cluster, twilio: FakeTwilio) -> None:
    twilio.latency_s = 1.0
    cluster.dispatch(commands(range(20)))
    cluster.dispatch(commands(range(20, 24), SLOW))
    worker = cluster.worker(twilio.url)
    while len(twilio.called) < 20 or "m20/1" not in twilio.called:
        time.sleep(0.01)
    worker.terminate()
    assert worker.wait(40) == 0, cluster.log()
    twilio.latency_s = 0.0
    cluster.worker(twilio.url)

    answers = cluster.answers(Answered(range(24)))

    assert_honest(answers, twilio)
    assert [answer for answer in answers if answer.outcome is not Outcome.ACCEPTED] == []


@pytest.mark.slow
def test_a_worker_paused_beyond_its_session_calls_nobody_when_it_wakes(cluster: Cluster, twilio: FakeTwilio) -> None:
    """It sleeps with calls open, commands read and intents made, while its successor does everything."""
    twilio.latency_s = 0.3
    total = 4000
    cluster.dispatch(commands(range(total)))
    frozen = cluster.worker(twilio.url, "a")
    while sum(twilio.called.values()) < 300:
        time.sleep(0.01)
    frozen.send_signal(signal.SIGSTOP)
    time.sleep(1)
    open_then = set(twilio.called)
    cluster.worker(twilio.url, "b")
    time.sleep(max(SESSION_S, 10) + 4)
    cluster.answers(Answered(set(range(total)) - {int(attempt[1:-2]) for attempt in open_then}), patience_s=120)
    before = dict(twilio.called)
    frozen.send_signal(signal.SIGCONT)
    time.sleep(SESSION_S)

    assert dict(twilio.called) == before
    assert len(open_then) < total / 2
    assert_honest(cluster.answers(Answered(range(total)), patience_s=120), twilio)
