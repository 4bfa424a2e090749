"""What a message costs and how long it takes, from the request on a topic to its last word in ClickHouse.

    python benchmarks/end_to_end.py

One machine's system (`smsflow up`'s parts: real Kafka, ClickHouse engine, the Twilio simulator) is started, warmed up,
and given three loads: as much as it takes, 70 % of that, and one text at a time. CPU is each process's own, as the
operating system counts it, divided by the messages of that load; Kafka's and the simulator's are shown beside, they
are not smsflow.
The ceilings come from the same run: what a bare confluent-kafka loop does on this broker, and a bare aiohttp client
with this simulator.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from confluent_kafka import Consumer, Producer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from connectors.clickhouse.report_client import ReportClient
from connectors.kafka.admin import KafkaAdmin
from connectors.kafka.consumer import GroupConsumer
from processors.core.person import statuses
from processors.demo.load import plan_load, sample_texts
from processors.local.machine import Machine
from processors.local.supervisor import Supervisor
from processors.settings.model import Settings, load_settings
from schemas.codec import Codec
from schemas.records import Failed, SendRequest, Sent, StatusChanged
from schemas.topics import BY_NAME, SMS_FAILED, SMS_REQUESTS, SMS_SENT, SMS_STATUS, KeySpace, Topic

ROLES = ("person", "sender", "ingester", "sink")
"""smsflow; the rest is what it talks to."""
OTHERS = ("simulator", "Kafka")
SENDERS = tuple(f"+120255501{number:02d}" for number in range(60, 72))
RATE = 1000
"""Segments a second of each sender: no limit that matters here."""
TUNING = {
    "SMSFLOW_SIMULATOR_QUICK": "true",
    "SMSFLOW_SIMULATOR_RATE": str(RATE),
    "SMSFLOW_SENDERS": json.dumps([{"id": sender, "number_type": "short_code", "mps": RATE} for sender in SENDERS]),
    "SMSFLOW_INTERVALS_RECONCILE_EVERY_S": "10",
}
PATIENCE_S = 180.0
LOOK_S = 0.05
LOOP_TOPICS = tuple(
    Topic(f"smsflow-benchmark-{name}", KeySpace.PERSON, SendRequest, partitions=4, retention_ms=3_600_000)
    for name in ("loop", "looped")
)


@dataclass(frozen=True)
class Latency:
    """Milliseconds; p50 and p99 of a load."""

    p50: float
    p99: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Latency:
        cuts = statistics.quantiles(seconds, n=100)
        return Latency(round(cuts[49] * 1000, 1), round(cuts[98] * 1000, 1))


@dataclass(frozen=True)
class Load:
    """What one load showed. ``cpu_ms``: milliseconds of CPU a message, by process."""

    name: str
    messages: int
    per_second: float
    cpu_ms: Mapping[str, float]
    to_call: Latency
    to_last_word: Latency

    @property
    def smsflow_ms(self) -> float:
        return sum(self.cpu_ms[role] for role in ROLES)


@dataclass(frozen=True)
class Ceiling:
    """What a bare loop does: its own CPU in milliseconds, nothing of smsflow in it."""

    name: str
    per_second: float
    cpu_ms: float


# -- what is heard of the messages -------------------------------------------------------------------------------------


@dataclass
class Ear:
    """Follows the public topics in a thread: when each message was called, and when its last word came."""

    settings: Settings
    codec: Codec = field(default_factory=Codec)
    asked: dict[str, float] = field(default_factory=dict)
    called: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    done: bool = False

    def follow(self) -> None:
        names = [SMS_SENT.name, SMS_STATUS.name, SMS_FAILED.name]
        with GroupConsumer(self.settings.broker, "smsflow-benchmark", names) as reader:
            while not self.done:
                for read in reader.poll_batch(5000, LOOK_S):
                    if read.value is not None:
                        self._hear(self.codec.decode(BY_NAME[read.topic].record, read.value), read.timestamp)

    def _hear(self, record: Any, at: datetime) -> None:
        match record:
            case Sent() if record.called_at is not None:
                self.called[record.message_id] = record.called_at.timestamp()
            case StatusChanged() if record.status in statuses.FINAL:
                self.ended.setdefault(record.message_id, at.timestamp())
            case Failed():
                self.ended.setdefault(record.message_id, at.timestamp())

    def latencies(self, heard: Mapping[str, float], message_ids: Sequence[str]) -> Latency:
        return Latency.of([heard[one] - self.asked[one] for one in message_ids if one in heard])


@contextmanager
def listening(settings: Settings) -> Iterator[Ear]:
    ear = Ear(settings)
    thread = threading.Thread(target=ear.follow)
    thread.start()
    try:
        yield ear
    finally:
        ear.done = True
        thread.join()


# -- the loads ---------------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    """One running system, and who asks it for messages."""

    settings: Settings
    ear: Ear
    parts: Mapping[str, Sequence[psutil.Process]]
    tell: Callable[[str], None]
    run: str = field(default_factory=lambda: f"{time.time():.0f}")
    number: int = 0

    def __post_init__(self) -> None:
        self.letters = plan_load(sample_texts(None), 100_000)
        told = {"bootstrap.servers": self.settings.broker, "partitioner": "murmur2_random", "linger.ms": 1}
        self.producer = Producer(told | {"queue.buffering.max.messages": 500_000})

    def ask(self, count: int) -> list[str]:
        """Publish requests now."""
        ids = []
        for to, body in self.letters[self.number : self.number + count]:
            now = datetime.now(UTC)
            message_id = f"{self.run}-{self.number:06d}"
            sender = SENDERS[self.number % len(SENDERS)]
            request = SendRequest(message_id=message_id, to=to, sender=sender, body=body, requested_at=now)
            wire = self.ear.codec.wire(SMS_REQUESTS, to, request)
            self.ear.asked[message_id] = now.timestamp()
            self.producer.produce(wire.topic, wire.value, wire.key)
            ids.append(message_id)
            self.number += 1
        self.producer.poll(0)
        return ids

    def load(self, name: str, count: int, rate: float | None) -> Load:
        """Ask for ``count`` messages at ``rate`` a second (None: all at once); wait until ClickHouse has their end."""
        self.tell(f"{name}: {count} messages")
        began, before = time.monotonic(), self._cpu()
        ids = self.ask(count) if rate is None else self._paced(count, rate)
        ended_at = self._await_end(ids)
        cpu = {part: (after - before[part]) / count * 1000 for part, after in self._cpu().items()}
        to_call, to_end = (self.ear.latencies(heard, ids) for heard in (self.ear.called, self.ear.ended))
        return Load(name, count, count / (ended_at - began), cpu, to_call, to_end)

    def _paced(self, count: int, rate: float) -> list[str]:
        began, ids = time.monotonic(), list[str]()
        while len(ids) < count:
            due = min(count, int((time.monotonic() - began) * rate) + 1)
            ids += self.ask(due - len(ids))
            time.sleep(0.002)
        return ids

    def _await_end(self, ids: Sequence[str]) -> float:
        """When every message's last word was on its topic; returns when ClickHouse has all of them too."""
        end = time.monotonic() + PATIENCE_S + len(ids) / 100
        left = set(ids)
        while left:
            left -= self.ear.ended.keys()
            self._patiently(end, f"{len(left)} of {len(ids)} messages have no last word")
        ended_at = time.monotonic()
        reports = ReportClient(self.settings.sink.url or "")
        while reports.summary(datetime.fromtimestamp(0, UTC)).open:
            self._patiently(end, "ClickHouse does not show every message's end")
            time.sleep(0.5)
        return ended_at

    def _patiently(self, end: float, what: str) -> None:
        if time.monotonic() > end:
            sys.exit(what)
        time.sleep(LOOK_S)

    def _cpu(self) -> dict[str, float]:
        """Seconds of CPU so far, by part."""
        return {
            part: sum(sum(process.cpu_times()[:2]) for process in processes) for part, processes in self.parts.items()
        }


def parts_of() -> dict[str, list[psutil.Process]]:
    """The processes of this system, by part."""
    words = {"person": "person", "sender": "sender", "ingester": "ingest", "sink": "sink", "simulator": "simulator"}
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.Process().children(recursive=True):
        line = process.cmdline()
        part = next((part for part, word in words.items() if line[-1] == word), None)
        part = part or ("Kafka" if "kafka.Kafka" in line else None)
        if part:
            found.setdefault(part, []).append(process)
    return found


# -- the ceilings ------------------------------------------------------------------------------------------------------


def bare_loop(settings: Settings, codec: Codec, count: int = 100_000) -> Ceiling:
    """Consume and produce the same requests with confluent-kafka, in batches of 500."""
    KafkaAdmin(settings.broker).apply(LOOP_TOPICS, 1)
    full, empty = (topic.name for topic in LOOP_TOPICS)
    told = {"bootstrap.servers": settings.broker}
    producer = Producer(told | {"queue.buffering.max.messages": 500_000})
    to, body = plan_load(sample_texts(None), 1)[0]
    value = codec.encode(SendRequest(message_id="1", to=to, body=body, requested_at=datetime.now(UTC)))
    for number in range(count):
        producer.produce(full, value, str(number).encode())
    producer.flush()
    consumer = Consumer(told | {"group.id": "smsflow-benchmark-loop", "auto.offset.reset": "earliest"})
    consumer.subscribe([full])
    seen = len(consumer.consume(500, PATIENCE_S))
    began, before = time.monotonic(), time.process_time()
    left = count - seen
    while left > 0:
        for message in consumer.consume(500, 1):
            producer.produce(empty, message.value(), message.key())
            left -= 1
        producer.poll(0)
    producer.flush()
    took, cpu = time.monotonic() - began, time.process_time() - before
    consumer.close()
    return Ceiling("confluent-kafka, consume and produce", (count - seen) / took, cpu / (count - seen) * 1000)


async def bare_posts(settings: Settings, count: int = 3000, open_calls: int = 50) -> Ceiling:
    """Create messages at the simulator with aiohttp alone; their callbacks go nowhere."""
    twilio = settings.twilio
    url = f"{twilio.base_url}/2010-04-01/Accounts/{twilio.account_sid}/Messages.json"
    login = aiohttp.encode_basic_auth(twilio.account_sid, twilio.auth_tokens[0].get_secret_value())
    letters = iter(plan_load(sample_texts(None), count))

    async def post(session: aiohttp.ClientSession) -> None:
        for to, body in letters:
            async with session.post(url, data={"To": to, "From": SENDERS[0], "Body": body}) as answer:
                assert answer.status == 201, await answer.text()
                await answer.read()

    async with aiohttp.ClientSession(headers={"Authorization": login}) as session:
        began, before = time.monotonic(), time.process_time()
        await asyncio.gather(*(post(session) for _ in range(open_calls)))
        took, cpu = time.monotonic() - began, time.process_time() - before
    return Ceiling("aiohttp, POST to the simulator", count / took, cpu / count * 1000)


# -- the figures -------------------------------------------------------------------------------------------------------


def measure(settings: Settings, count: int, tell: Callable[[str], None]) -> tuple[list[Load], list[Ceiling]]:
    with listening(settings) as ear:
        bench = Bench(settings, ear, parts_of(), tell)
        bench.load("warm-up", max(200, count // 10), None)
        full = bench.load("all at once", count, None)
        part = bench.load("70 % load", count, full.per_second * 0.7)
        idle = bench.load("idle, 5 a second", 100, 5)
    tell("ceilings")
    return [full, part, idle], [bare_loop(settings, Codec()), asyncio.run(bare_posts(settings))]


def show(loads: Sequence[Load], ceilings: Sequence[Ceiling], console: Console) -> None:
    table = Table("load", "messages/s", *ROLES, "smsflow", *OTHERS, "to call p50 / p99", "to last word p50 / p99")
    for load in loads:
        cpu = [f"{load.cpu_ms[part]:.2f}" for part in (*ROLES, *OTHERS)]
        cpu.insert(len(ROLES), f"{load.smsflow_ms:.2f}")
        waits = [f"{wait.p50:.0f} / {wait.p99:.0f} ms" for wait in (load.to_call, load.to_last_word)]
        table.add_row(load.name, f"{load.per_second:,.0f}", *cpu, *waits)
    console.print(table, "Columns of parts: milliseconds of CPU a message.\n")
    full = loads[0]
    ceiling = Table("ceiling", "a second", "CPU ms", "smsflow / ceiling")
    for one in ceilings:
        ceiling.add_row(
            one.name, f"{one.per_second:,.0f}", f"{one.cpu_ms:.4f}", f"{full.smsflow_ms / one.cpu_ms:,.1f} x"
        )
    console.print(ceiling)
    console.print(f"smsflow takes {full.smsflow_ms:.2f} ms of CPU a message over all its roles (goal: at most 1)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5000, help="of the two larger loads")
    parser.add_argument("--json", action="store_true", help="the same for machines")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, highlight=False, width=160)
    folder = Path(tempfile.mkdtemp(prefix="smsflow-benchmark-"))
    given = load_settings(environ={"SMSFLOW_DATA_DIR": str(folder)})
    machine = Machine(given, Supervisor(console.print), console.print, TUNING)
    try:
        machine.start()
        loads, ceilings = measure(machine.effective_settings(), arguments.messages, console.print)
    finally:
        machine.stop()
        shutil.rmtree(folder)
    if arguments.json:
        print(json.dumps({"loads": [asdict(one) for one in loads], "ceilings": [asdict(one) for one in ceilings]}))
    else:
        show(loads, ceilings, console)


if __name__ == "__main__":
    main()
