"""A broker that is away, an ingester killed -9, a disk that is full: is any acknowledged callback lost?

    python benchmarks/outage.py --minutes 10 --rate 500

A real ingester process with its spool, and a real Kafka that is killed -9 and started again. The load repeats what is
not answered 2xx as Twilio does when asked for all retries: five times within 15 seconds. The disk is full by the
system's own limit on the ingester's process (prlimit). In the end the person stage's real decisions read what is on the
topic. Exits 1 if an acknowledged callback made no status event, or one made two.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))

from connectors.kafka.admin import KafkaAdmin
from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.kafka.topic_reader import read_all
from connectors.twilio.webhooks.signature import signature
from schemas.codec import Codec
from schemas.records import TwilioCallback
from schemas.topics import SMS_CALLBACKS, registry
from tests.builders import request, result
from tests.processors.core.person.lifecycles import People

PUBLIC, TOKEN = "https://sms.example.com", "t" * 32
RETRIES, PATIENCE_S = 5, 15.0
MOST_OPEN = 800
"""Connections at once, as a Twilio edge would share them; far below what a process may have open."""


# -- the ingester's process -------------------------------------------------------------------------------------------


async def serve(folder: Path, port: int, broker: str) -> None:
    from connectors.clock import SystemClock
    from connectors.kafka.producer import KafkaPublisher
    from connectors.twilio.webhooks.ingester import Ingester
    from connectors.twilio.webhooks.options import IngesterOptions

    settings = IngesterOptions(
        public_url=PUBLIC, auth_tokens=(TOKEN,), spool_path=folder / "spool.db", publish_timeout=1.0
    )
    app = Ingester(settings, KafkaPublisher(broker), Codec(), SystemClock())
    async with app.serving("127.0.0.1", port):
        await asyncio.Event().wait()


def started(folder: Path, port: int, broker: str) -> subprocess.Popen[bytes]:
    told = ["--serve", str(folder), "--port", str(port), "--broker", broker]
    return subprocess.Popen([sys.executable, __file__, *told])


# -- what is told: two statuses a message, under the id of the event each becomes -------------------------------------

STATUSES = ("sent", "delivered")


def event_of(number: int) -> str:
    return f"m{number // 2}/1/status/{STATUSES[number % 2]}"


def attempt_of(event_id: str) -> str:
    return event_id.partition("/status/")[0]


def person_of(message_id: str) -> str:
    return f"+1212{2_000_000 + int(message_id[1:]):07}"


def callback_fields(event_id: str) -> list[tuple[str, str]]:
    message_id, status = event_id.partition("/")[0], event_id.rpartition("/")[2]
    sid = f"SM{int(message_id[1:]):032x}"
    return [("MessageSid", sid), ("MessageStatus", status), ("To", person_of(message_id)), ("From", "+12125550101")]


# -- Twilio's side ----------------------------------------------------------------------------------------------------


@dataclass
class Load:
    """Every callback made, what was acknowledged, what was given up, and how often it was repeated."""

    rate: float
    made: int = 0
    acknowledged: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)

    async def run(self, http: Client, until: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            began = time.monotonic()
            while time.monotonic() < until:
                while self.made < (time.monotonic() - began) * self.rate:
                    tasks.create_task(self.deliver(http, event_of(self.made)))
                    self.made += 1
                await asyncio.sleep(0.005)

    async def deliver(self, http: Client, event_id: str) -> None:
        request = post(event_id)
        began = time.monotonic()
        for _ in range(RETRIES + 1):
            answer, _ = await http.ask(request)
            self.answers[answer] += 1
            if answer.startswith("2"):
                self.acknowledged.add(event_id)
                return
            if time.monotonic() - began > PATIENCE_S:
                break
            await asyncio.sleep(1)
        self.given_up.add(event_id)


def post(event_id: str) -> bytes:
    path, fields = f"/twilio/status?attempt_id={attempt_of(event_id)}", callback_fields(event_id)
    body = urlencode(fields)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: sms.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"X-Twilio-Signature: {signature(TOKEN, PUBLIC + path, fields)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


class Client:
    """Asks over connections that are kept; leaner than a library, since the load shares the machine with its target."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._room = asyncio.Semaphore(MOST_OPEN)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: bytes) -> tuple[str, str]:
        """Status and body, or the name of what went wrong."""
        async with self._room:
            writer = None
            try:
                async with asyncio.timeout(5):
                    reader, writer = self._idle.pop() if self._idle else await self._connected()
                    writer.write(request)
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = re.search(rb"Content-Length: (\d+)", head)
                    body = await reader.readexactly(int(length[1])) if length else b""
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                if writer is not None:
                    writer.close()
                return type(error).__name__, type(error).__name__
            self._idle.append((reader, writer))
            return head[9:12].decode(), body.decode()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def get(self, name: str) -> str:
        return (await self.ask(f"GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n".encode()))[1]


# -- what happens -----------------------------------------------------------------------------------------------------


class Drill:
    """The sequence of events, printed as it happens; fractions of the outage."""

    def __init__(self, folder: Path, port: int, kafka: EmbeddedKafka, outage_s: float) -> None:
        self._folder = folder
        self._port = port
        self._kafka = kafka
        self._outage_s = outage_s
        self._began = time.monotonic()
        self._process = started(folder, port, kafka.bootstrap)

    async def run(self, http: Client) -> None:
        await asyncio.to_thread(self._kafka.kill)
        await self._say(http, "Kafka was killed -9")
        await asyncio.sleep(self._outage_s * 0.2)
        await self._killed(http)
        await asyncio.sleep(self._outage_s * 0.2)
        self._limit(1)
        await self._say(http, "the disk is full")
        full_s = min(60.0, self._outage_s * 0.2)
        await asyncio.sleep(full_s)
        await self._say(http, "the disk is about to have room again")
        self._limit(resource.RLIM_INFINITY)
        await asyncio.sleep(self._outage_s * 0.2)
        await self._killed(http)
        await asyncio.sleep(self._outage_s * 0.4 - full_s)
        await self._say(http, "Kafka is about to be started again")
        await asyncio.to_thread(self._kafka.start)
        await self._some_drained(http)
        await self._killed(http, "while it emptied its spool")

    async def _some_drained(self, http: Client) -> None:
        async with asyncio.timeout(60):
            while not re.search(r"spool_drained_total [1-9]", await http.get("metrics")):  # noqa: ASYNC110  as above
                await asyncio.sleep(0.01)

    async def drained(self, http: Client) -> None:
        began = time.monotonic()
        await ready(http)
        await self._say(http, f"the spool is empty, {time.monotonic() - began:.1f} s after the last callback")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    async def _killed(self, http: Client, when: str = "") -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        await self._say(http, f"the ingester was killed -9 {when}")
        self._process = started(self._folder, self._port, self._kafka.bootstrap)

    def _limit(self, size: int) -> None:
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def _say(self, http: Client, what: str) -> None:
        print(
            f"{time.monotonic() - self._began:7.1f} s  {what:60} /ready: {(await http.get('ready')).strip()}",
            flush=True,
        )


async def ready(http: Client) -> None:
    while await http.get("ready") != "ready\n":  # noqa: ASYNC110  asked for, as a balancer does
        await asyncio.sleep(0.1)


async def drill(folder: Path, kafka: EmbeddedKafka, outage_s: float, rate: float) -> bool:
    KafkaAdmin(kafka.bootstrap).apply(registry(4), 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running, load, http = Drill(folder, port, kafka, outage_s), Load(rate), Client(port)
    await ready(http)
    loading = asyncio.create_task(load.run(http, time.monotonic() + outage_s + 10))
    await asyncio.sleep(3)
    await running.run(http)
    await loading
    await running.drained(http)
    running.stop()
    return verdict(load, kafka.bootstrap)


def verdict(load: Load, broker: str) -> bool:
    codec = Codec()
    published = [codec.decode(TwilioCallback, read.value) for read in read_all(broker, [SMS_CALLBACKS.name])]
    repeated = len(published) - len({(told.message_sid, told.status) for told in published})
    events = status_events(published)
    lost = load.acknowledged - events.keys()
    twice = sum(count - 1 for count in events.values())
    print(f"callbacks {load.made:,}; acknowledged {len(load.acknowledged):,}; answers {dict(load.answers)}")
    print(f"never acknowledged, given up by Twilio after its retries: {len(load.given_up):,}")
    print(f"published {len(published):,} callbacks, {repeated:,} of them repetitions")
    print(f"status events {len(events):,}")
    print(f"acknowledged and lost: {len(lost)}; duplicated in the status events: {twice}")
    return not lost and not twice


def status_events(published: Sequence[TwilioCallback]) -> Counter[str]:
    """What the person stage makes of them: each event's id, and how often it is said."""
    people = People()
    for told in published:
        message_id = (told.attempt_id or "").partition("/")[0]
        if message_id not in people.messages:
            named = {"message_id": message_id, "attempt_id": told.attempt_id, "person": told.person}
            people.hear(request(message_id=message_id, to=told.person))
            people.hear(result(**named, sid=told.message_sid))
        people.hear(told)
    return people.published


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long the broker is away")
    parser.add_argument("--rate", type=float, default=500, help="callbacks per second")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--broker", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        logging.disable(logging.CRITICAL)
        asyncio.run(serve(arguments.serve, arguments.port, arguments.broker))
        return
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder) / "kafka") as kafka:
        good = asyncio.run(drill(Path(folder), kafka, arguments.minutes * 60, arguments.rate))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
