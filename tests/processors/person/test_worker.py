"""The person stage as a process, on a real Kafka."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from processors.streaming.partitioner import partition_of
from schemas.records import DeadLetter
from schemas.topics import SMS_REQUESTS, SMS_STATUS
from tests.conftest import KafkaServer
from tests.processors.person.cluster import CODEC, Cluster, request, status
from tests.processors.person.worker import PARTITIONS, SESSION_S

pytestmark = pytest.mark.kafka
MESSAGES = "smsflow-person-messages-changelog"
SCHEDULE = "smsflow-person-schedule-changelog"


@pytest.fixture
def cluster(kafka: KafkaServer, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(kafka.bootstrap, tmp_path)
    yield cluster
    cluster.kill_all()


@pytest.mark.parametrize("disk", ["kept", "wiped"])
def test_kill_9_of_workers_loses_no_message(cluster: Cluster, disk: str) -> None:
    """Every request has its event and its state in the changelog, though workers died in the middle.

    With a wiped disk each successor restores its tables first, while it already owns partitions full of requests.
    """
    total = 4000
    cluster.request(request(number) for number in range(total))
    for _ in range(3):
        worker = cluster.worker()
        seen = sum(cluster.ends(SMS_STATUS.name).values())
        cluster.read(SMS_STATUS.name, lambda found, seen=seen: len(found) > seen + 300)  # type: ignore[misc]
        worker.kill()
        worker.wait()
        if disk == "wiped":
            cluster.wipe()
    cluster.worker()

    told = cluster.statuses(f"m{number}/finished" for number in range(total))

    assert {event.message_id for event in told} == {f"m{number}" for number in range(total)}
    assert len({message.key() for message in cluster.everything(MESSAGES)}) == total


def test_a_drained_worker_exits_with_0_and_nothing_is_repeated(cluster: Cluster) -> None:
    cluster.request(request(number) for number in range(500))
    worker = cluster.worker()
    cluster.statuses(f"m{number}/finished" for number in range(500))
    worker.terminate()
    assert worker.wait(30) == 0

    cluster.worker()
    cluster.request([request(500)])
    told = cluster.statuses(["m500/finished"])

    assert len(told) == 501


def test_a_record_under_another_clients_key_is_put_back_and_handled(cluster: Cluster) -> None:
    """Whatever key and partitioner an upstream service uses, the person's partition handles it."""
    first = request(1)
    right = partition_of(first.to.encode(), PARTITIONS)
    wrong = (right + 1) % PARTITIONS
    cluster.publish([(SMS_REQUESTS.name, b"order-17", CODEC.encode(first), wrong)])
    cluster.worker()

    cluster.statuses(["m1/finished"])

    (kept,) = cluster.everything(MESSAGES)
    assert kept.partition() == right


def test_garbage_goes_to_the_dead_letter_and_the_stream_goes_on(cluster: Cluster) -> None:
    """Each bad record is there whole, with reason and origin; the good one behind them is handled."""
    good = request(1)
    key = good.to.encode()
    name = SMS_REQUESTS.name
    bad = [b"garbage", None, CODEC.encode(good) + b"x", CODEC.encode(request(2, body="boom")), b"\0" * 600_000]
    cluster.publish((name, key, value, 0) for value in bad)
    cluster.publish([(name, key, CODEC.encode(good), None)])
    cluster.worker()

    letters = cluster.read(f"{name}-dlq", lambda found: len(found) >= len(bad))
    cluster.statuses(["m1/finished"])

    found = sorted((CODEC.decode(DeadLetter, letter.value()) for letter in letters), key=lambda letter: letter.offset)
    by_reason = {letter.reason: letter for letter in found}
    assert set(by_reason) == {"not_avro", "empty", "trailing_bytes", "handler_error", "too_large"}
    assert by_reason["not_avro"].value == b"garbage"
    assert by_reason["not_avro"].key == key
    assert (by_reason["not_avro"].topic, by_reason["not_avro"].partition) == (name, 0)
    assert "ZeroDivisionError('boom') in _requested" in by_reason["handler_error"].detail


def test_a_wake_up_fires_after_a_restart_and_leaves_the_schedule(cluster: Cluster) -> None:
    """What waited when its worker was killed goes out after the next one's start, from a wiped disk too."""
    later = datetime.now(UTC) + timedelta(seconds=4)
    cluster.request(request(number, send_at=later) for number in range(20))
    worker = cluster.worker()
    cluster.statuses(f"m{number}/waiting" for number in range(20))
    worker.kill()
    worker.wait()
    cluster.worker("b")

    told = cluster.statuses(f"m{number}/woken" for number in range(20))

    assert Counter(event.status for event in told)["woken"] == 20
    last = {}
    for entry in cluster.read(SCHEDULE, lambda found: len(found) >= 40):
        last[entry.key()] = entry.value()
    assert list(last.values()) == [None] * 20


@pytest.mark.slow
def test_a_thawed_worker_writes_nothing_into_partitions_it_lost(cluster: Cluster) -> None:
    """A worker frozen longer than its session finds thousands of its events done by another, and repeats none.

    But those that were past the last check when it froze: as many as were in flight.
    """
    in_flight, total = 8, 12_000
    cluster.request(request(number, people=2000) for number in range(total))
    frozen = cluster.worker("a", in_flight)
    cluster.read(SMS_STATUS.name, lambda found: len(found) > 200)
    frozen.send_signal(signal.SIGSTOP)
    time.sleep(SESSION_S / 2)  # what was on its way arrives
    before = {status(message).message_id for message in cluster.everything(SMS_STATUS.name)}
    cluster.worker("b")
    cluster.statuses(f"m{number}/finished" for number in range(total))
    thawed_at = time.time() * 1000
    frozen.send_signal(signal.SIGCONT)
    cluster.request([request(total, people=2000)])
    cluster.statuses([f"m{total}/finished"])
    time.sleep(SESSION_S)

    late = [m for m in cluster.everything(SMS_STATUS.name) if m.timestamp()[1] > thawed_at]
    foreign = {status(m).message_id for m in late if status(m).reason == "a"} - before - {f"m{total}"}

    assert len(before) < total / 2, "the frozen worker had nothing left to do"
    assert len(foreign) <= in_flight
    writes = Counter(message.key() for message in cluster.everything(MESSAGES))
    assert sum(times - 1 for times in writes.values()) <= in_flight + len(before)
