"""What a callback costs: our ingester beside the usual Flask endpoint and beside a bare hello on the same server.

    python benchmarks/ingester.py
    python benchmarks/ingester.py --kafka

Same machine, same run, the servers in turns. The figure is the server's own CPU per request, from its process, so that
the load generator (wrk, or a plain asyncio client where wrk is missing) and the broker are not measured. Every request
is another one, signed. Without ``--kafka`` nothing is published anywhere, neither by ours (whose publisher acknowledges
at once) nor by Flask's. With it, both publish to a real Kafka started for it, and answer when it has acknowledged; the
one that answers without waiting for that is named so. Ours runs on uvloop, as `smsflow ingest` does.
Needs flask and gunicorn for the endpoint we compare with: pip install flask gunicorn.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from connectors.twilio.webhooks.app import Receive, Send
from connectors.twilio.webhooks.signature import signature
from schemas.codec import EncodedRecord
from schemas.ports import Publisher

PUBLIC, TOKEN = "https://sms.example.com", "t" * 32
DISTINCT = 5000
REMEMBER = 1000
"""Fewer than there are requests, so that none is answered from memory."""


@dataclass(frozen=True)
class Contestant:
    """``kind`` of server and what is asked of it: ``signed`` callbacks, ``post`` of the same size, or a ``get``."""

    name: str
    kind: str
    load: str


OURS = "ours"
OURS_KAFKA = "ours, acknowledged by Kafka"
FLASK = "Flask, RequestValidator, gunicorn"
FLASK_KAFKA = "Flask, produce and flush"
HELLO = "bare uvicorn hello (GET)"
CONTESTANTS = (
    Contestant(HELLO, "hello", "get"),
    Contestant("bare uvicorn, body read (POST)", "hello", "signed"),
    Contestant("bare aiohttp hello, uvloop (GET)", "aiohttp", "get"),
    Contestant(OURS, "ours", "signed"),
    Contestant("ours, asyncio's own loop", "ours-asyncio", "signed"),
    Contestant("ours, broker down, all on disk", "ours-spool", "signed"),
    Contestant(FLASK, "flask", "signed"),
    Contestant("the same, gthread worker, keep-alive", "flask-gthread", "signed"),
)
ON_KAFKA = (
    Contestant(HELLO, "hello", "get"),
    Contestant(OURS_KAFKA, "ours-kafka", "signed"),
    Contestant(FLASK_KAFKA, "flask-kafka", "signed"),
    Contestant("the same, gthread worker, keep-alive", "flask-kafka-gthread", "signed"),
    Contestant("Flask, produce, not waited for", "flask-unsafe", "signed"),
)


@dataclass(frozen=True)
class Run:
    """``cpu_us`` microseconds of the server per request; latencies in milliseconds."""

    requests: int
    cpu_us: float
    per_second: float
    p50: float
    p99: float
    failed: int


# -- the servers ------------------------------------------------------------------------------------------------------


class Acknowledging:
    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        """Acknowledged at once."""


class Down:
    async def publish(self, records: Sequence[EncodedRecord]) -> None:  # noqa: ARG002  the port's signature
        await asyncio.Event().wait()


def serve_hello(port: int) -> None:
    """The least an ASGI application does, on uvicorn as it comes, with httptools and uvloop."""
    import uvicorn

    async def hello(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            while (await receive())["more_body"]:
                pass
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
            return
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    uvicorn.run(
        hello, port=port, http="httptools", loop="uvloop", ws="none", lifespan="off", interface="asgi3",
        log_config=None, access_log=False, proxy_headers=False, server_header=False,
    )  # fmt: skip


async def serve_aiohttp(port: int) -> None:
    from aiohttp import web

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/hello", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def serve_ours(port: int, publisher: Publisher, spool: Path | None = None) -> None:
    from connectors.clock import SystemClock
    from connectors.twilio.webhooks.ingester import Ingester
    from connectors.twilio.webhooks.options import IngesterOptions
    from schemas.codec import Codec

    settings = IngesterOptions(
        public_url=PUBLIC,
        auth_tokens=(TOKEN,),
        remember=REMEMBER,
        spool_path=spool,
        publish_timeout=0.2 if spool else 4,
    )
    app = Ingester(settings, publisher, Codec(), SystemClock())
    async with app.serving("127.0.0.1", port):
        await asyncio.Event().wait()


FLASK_APP = f"""
from flask import Flask, abort, request
from twilio.request_validator import RequestValidator
#IMPORT
app = Flask(__name__)
validator = RequestValidator({TOKEN!r})
#START
@app.post("/twilio/status")
def status():
    url = {PUBLIC!r} + request.full_path
    if not validator.validate(url, request.form, request.headers.get("X-Twilio-Signature", "")):
        abort(403)
    #PUBLISH
    return "", 204
"""
PRODUCER = """
producer = Producer({"bootstrap.servers": BROKER, "acks": "all", "linger.ms": 0})
def failed(error, message):
    if error is not None:
        raise RuntimeError(error.str())
"""
PRODUCE = """producer.produce("plain-callbacks", json.dumps(request.form), request.form["To"], on_delivery=failed)"""


def flask_app(kind: str, broker: str) -> str:
    """As people write it; with Kafka, answered 204 only once it has acknowledged, unless ``unsafe``."""
    if kind in ("flask", "flask-gthread"):
        return FLASK_APP
    wait = "producer.poll(0)" if kind == "flask-unsafe" else "if producer.flush(4): abort(503)"
    return (
        FLASK_APP.replace("#IMPORT", f"import json\nfrom confluent_kafka import Producer\nBROKER = {broker!r}")
        .replace("#START", PRODUCER)
        .replace("#PUBLISH", f"{PRODUCE}\n    {wait}")
    )


def serve(kind: str, port: int, folder: Path, broker: str) -> None:
    import uvloop

    if kind == "hello":
        serve_hello(port)
    elif kind == "aiohttp":
        uvloop.run(serve_aiohttp(port))
    elif kind == "ours-spool":
        uvloop.run(serve_ours(port, Down(), folder / "spool.db"))
    elif kind == "ours-kafka":
        from connectors.kafka.producer import KafkaPublisher

        uvloop.run(serve_ours(port, KafkaPublisher(broker), folder / "spool.db"))
    else:
        (asyncio.run if kind == "ours-asyncio" else uvloop.run)(serve_ours(port, Acknowledging()))


def command(kind: str, port: int, folder: Path, broker: str) -> list[str]:
    if not kind.startswith("flask"):
        return [
            *(sys.executable, __file__, "--serve", kind),
            *("--port", str(port), "--folder", str(folder), "--broker", broker),
        ]
    (folder / "endpoint.py").write_text(flask_app(kind, broker))
    workers = ["--workers", "1"]
    if kind.endswith("gthread"):
        workers += ["--worker-class", "gthread", "--threads", "8", "--keep-alive", "60"]
    return [
        *(sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--chdir", str(folder)),
        *(*workers, "endpoint:app"),
    ]


@contextlib.contextmanager
def kafka() -> Iterator[str]:
    """A broker with both topics; gives its address."""
    from confluent_kafka.admin import AdminClient, NewTopic

    from connectors.kafka.embedded.broker import EmbeddedKafka
    from schemas.topics import SMS_CALLBACKS

    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka(Path(folder)) as broker:
        topics = [NewTopic(name, 12, 1) for name in (SMS_CALLBACKS.name, "plain-callbacks")]
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        for created in admin.create_topics(topics).values():
            created.result()
        yield broker.bootstrap


@contextlib.contextmanager
def server(kind: str, folder: Path, broker: str) -> Iterator[tuple[int, psutil.Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        command(kind, port, folder, broker), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await_port(port, process)
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            sys.exit(f"the server ended with {process.returncode}: {process.args!r}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit("the server did not start")


def cpu_s(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(sum(member.cpu_times()[:2]) for member in family)


# -- the load ---------------------------------------------------------------------------------------------------------


def callback(n: int) -> bytes:
    """As Twilio posts it: eleven fields."""
    sid = f"SM{n:032x}"
    path = f"/twilio/status?attempt_id=order-{n}/1"
    fields = [
        ("ApiVersion", "2010-04-01"),
        ("MessageStatus", "delivered"),
        ("RawDlrDoneDate", "2611241800"),
        ("SmsSid", sid),
        ("SmsStatus", "delivered"),
        ("To", f"+1212555{n % 10_000:04}"),
        ("From", "+15005550006"),
        ("MessageSid", sid),
        ("AccountSid", "AC" + "0" * 32),
        ("MessagingServiceSid", "MG" + "0" * 32),
        ("ChannelPrefix", ""),
    ]
    body = urlencode(fields)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: sms.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"X-Twilio-Signature: {signature(TOKEN, PUBLIC + path, fields)}\r\n"
        "User-Agent: TwilioProxy/1.1\r\nAccept: */*\r\n"
        f"I-Twilio-Idempotency-Token: 8e6d5e2e-c2b1-4d3d-8cf0-{n:012x}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def requests(load: str) -> list[bytes]:
    if load == "get":
        return [b"GET /hello HTTP/1.1\r\nHost: sms.example.com\r\n\r\n"]
    return [callback(n) for n in range(DISTINCT)]


def wrk(port: int, load: str, seconds: int, connections: int, folder: Path) -> Run:
    script = folder / f"{load}.lua"
    if not script.exists():
        texts = ",\n".join('"' + raw.decode().replace("\r\n", "\\r\\n") + '"' for raw in requests(load))
        script.write_text(
            f"local all = {{{texts}}}\nlocal n = 0\nfunction request() n = n % #all + 1 return all[n] end\n"
        )
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}/"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    answered = int(re.search(r"(\d+) requests in", done).group(1))  # type: ignore[union-attr]
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    p50, p99 = (milliseconds(re.search(rf"(?m)^\s+{p}%\s+(\S+)$", done).group(1)) for p in ("50", "99"))  # type: ignore[union-attr]
    return Run(answered, 0, answered / seconds, p50, p99, int(refused.group(1)) if refused else 0)


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


async def plain_client(port: int, load: str, seconds: int, connections: int) -> Run:
    """Where wrk is missing: each connection asks, waits, asks again."""
    texts, took, failed = requests(load), [], 0
    end = time.perf_counter() + seconds

    async def one(n: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < end:
            writer.write(texts[n % len(texts)])
            n += connections
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length.group(1)) if length else 0)
            failed += not head.startswith(b"HTTP/1.1 20")
            took.append((time.perf_counter() - began) * 1000)
        writer.close()

    await asyncio.gather(*(one(n) for n in range(connections)))
    cuts = statistics.quantiles(took, n=100)
    return Run(len(took), 0, len(took) / seconds, cuts[49], cuts[98], failed)


def measure(contestant: Contestant, seconds: int, connections: int, folder: Path, broker: str) -> Run:
    with server(contestant.kind, folder, broker) as (port, process):
        load(port, contestant.load, 1, connections, folder)  # warm
        before = cpu_s(process)
        run = load(port, contestant.load, seconds, connections, folder)
        return replace(run, cpu_us=(cpu_s(process) - before) / run.requests * 1e6)


def load(port: int, kind: str, seconds: int, connections: int, folder: Path) -> Run:
    if shutil.which("wrk"):
        return wrk(port, kind, seconds, connections, folder)
    return asyncio.run(plain_client(port, kind, seconds, connections))


# -- the figures ------------------------------------------------------------------------------------------------------


def compare(
    contestants: Sequence[Contestant], rounds: int, seconds: int, connections: int, broker: str
) -> dict[str, list[Run]]:
    """Every contestant once per round: what disturbs a round disturbs all of them."""
    runs: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    for _ in range(rounds):
        for contestant in contestants:
            with tempfile.TemporaryDirectory() as folder:
                runs[contestant.name].append(measure(contestant, seconds, connections, Path(folder), broker))
    return runs


def show(runs: dict[str, list[Run]], ours: str, flask: str) -> None:
    print(f"{'':36}{'CPU/request':>12}{'per core':>12}{'p50':>9}{'p99':>9}{'x hello':>9}{'x ours':>8}{'refused':>9}")
    for name, done in runs.items():
        run = sorted(done, key=lambda run: run.cpu_us)[len(done) // 2]
        print(
            f"{name:36}{run.cpu_us:9.1f} us{1e6 / run.cpu_us:10,.0f}/s{run.p50:6.2f} ms{run.p99:6.2f} ms"
            f"{ratio(runs, name, HELLO):9.2f}{ratio(runs, name, ours):8.2f}{run.failed:9}"
        )
    print(f"\n{ours} is {ratio(runs, ours, HELLO):.2f} x a bare hello on the same server (goal: at most 2)")
    if flask in runs:
        print(f"one core of ours does {ratio(runs, flask, ours):.1f} x what Flask's does (goal: at least 8)")


def ratio(runs: dict[str, list[Run]], one: str, other: str) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a.cpu_us / b.cpu_us for a, b in zip(runs[one], runs[other], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--kafka", action="store_true", help="publish to a real Kafka, ours and Flask's")
    parser.add_argument("--only", default="", help="kinds to run, with commas")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=Path(), help=argparse.SUPPRESS)
    parser.add_argument("--broker", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.port, arguments.folder, arguments.broker)
        return
    missing = [name for name in ("flask", "gunicorn") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"without the Flask endpoint: pip install {' '.join(missing)}\n")
    wanted = set(arguments.only.split(",")) - {""}
    contestants = [
        contestant
        for contestant in (ON_KAFKA if arguments.kafka else CONTESTANTS)
        if not (missing and "flask" in contestant.kind) and (not wanted or contestant.kind in wanted)
    ]
    print(f"load: {'wrk' if shutil.which('wrk') else 'a plain asyncio client (wrk is missing)'}")
    with kafka() if arguments.kafka else contextlib.nullcontext("") as broker:
        runs = compare(contestants, arguments.rounds, arguments.seconds, arguments.connections, broker)
    show(runs, *((OURS_KAFKA, FLASK_KAFKA) if arguments.kafka else (OURS, FLASK)))


if __name__ == "__main__":
    main()
