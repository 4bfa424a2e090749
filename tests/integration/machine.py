"""`smsflow up` as its user has it: a process, its commands, its ports, its topics."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import psutil
from confluent_kafka import Producer

from connectors.kafka.records import ConsumedRecord as Read
from connectors.kafka.topic_reader import read_all
from connectors.simulator.model.settings import AUTH_TOKEN
from connectors.twilio.webhooks.signature import signature
from processors.settings.model import Settings, load_settings
from processors.wiring.command_settings import RUNNING_FILE
from schemas.codec import Codec
from schemas.records import DeadLetter, Failed, SendRequest, StatusChanged
from schemas.topics import BY_NAME, SMS_FAILED, SMS_STATUS, Topic

SMSFLOW = Path(sys.executable).with_name("smsflow")
SERVES = "Ctrl-C stops everything."
PATIENCE_S = 60.0
POLL_S = 0.05
CODEC = Codec()
T = TypeVar("T")


class Machine:
    """One data directory and the `smsflow up` on it. ``given``: settings beside, as variables."""

    def __init__(self, folder: Path, given: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._own = {"SMSFLOW_DATA_DIR": str(folder)}
        self._given = dict(given or {})
        self._said = folder.with_name(f"{folder.name}.said")
        self._process: subprocess.Popen[bytes] | None = None
        self._producer: Producer | None = None

    def __enter__(self) -> Machine:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # --- the process ---

    def start(self) -> None:
        """`smsflow up`; returns when it says that all serves."""
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [SMSFLOW, "up"], stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=self._environment(self._given)
            )
        until(lambda: SERVES in self.said() or not self.running(), "`smsflow up` serves")
        assert SERVES in self.said(), self.said()

    def running(self) -> bool:
        """Whether its one process that a user sees lives."""
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """What it has shown since its start."""
        return self._said.read_text("utf-8")

    def end(self, how: signal.Signals) -> int:
        """Ctrl-C is SIGINT; its exit status once it has ended."""
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        """``kill -9`` of the one process a user would see; nothing else is told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)

    def processes(self) -> set[psutil.Process]:
        """Everything that belongs to it: its descendants, and whoever names its folder in words, place or settings."""
        found = {process for process in psutil.process_iter() if self._concerns(process)}
        with suppress(psutil.NoSuchProcess, AttributeError):
            found |= set(psutil.Process(self._process.pid).children(recursive=True))  # type: ignore[union-attr]  # caught
        return found

    def _concerns(self, process: psutil.Process) -> bool:
        try:
            told = [*process.cmdline(), process.cwd(), process.environ().get("SMSFLOW_DATA_DIR", "")]
            return process.status() != psutil.STATUS_ZOMBIE and any(str(self.folder) in word for word in told)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False

    # --- commands ---

    def smsflow(self, *words: str) -> str:
        """What the command says; it must succeed."""
        done = self.attempt(*words)
        assert done.returncode == 0, f"smsflow {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def attempt(self, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The same, whatever it ends with, typed in this folder."""
        command, environment = [str(SMSFLOW), *words], self._environment({})
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, timeout=PATIENCE_S, cwd=folder
        )

    def lines(self, *words: str) -> list[dict[str, Any]]:
        """What the command says with ``--json``, a line an object."""
        return [json.loads(line) for line in self.smsflow(*words, "--json").splitlines()]

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SMSFLOW_")}
        return {**inherited, **self._own, **given}

    # --- Kafka ---

    @property
    def told(self) -> Settings:
        """The settings everything runs with."""
        return load_settings(environ=json.loads((self.folder / RUNNING_FILE).read_text("utf-8")))

    def ask(self, *requests: SendRequest) -> None:
        """Publish requests as a client does that knows Kafka's own partitioner."""
        for request in requests:
            self.produce("sms-requests", CODEC.encode(request), request.to.encode())

    def produce(self, topic: str, value: bytes, key: bytes | None, partition: int = -1) -> None:
        """Publish any bytes; returns when the broker has them."""
        if self._producer is None:
            given = {"bootstrap.servers": self.told.broker, "partitioner": "murmur2_random", "log_level": 0}
            self._producer = Producer(given)
        self._producer.produce(topic, value, key, partition=partition)
        assert self._producer.flush(PATIENCE_S) == 0

    def reads(self, *names: str) -> list[Read]:
        """All that these topics hold now, as bytes."""
        return list(read_all(self.told.broker, names))

    def records(self, topic: Topic) -> list[Any]:
        """All that a topic holds now, by our codec; only for topics without garbage."""
        return [CODEC.decode(topic.record, read.value) for read in self.reads(topic.name)]

    def letters(self, topic: Topic) -> list[DeadLetter]:
        """The topic's dead letters."""
        assert topic.dead_letter is not None
        return self.records(BY_NAME[topic.dead_letter])

    def failed(self, message_id: str) -> Failed:
        """How the message failed, once it has."""
        event: Failed = self._event(SMS_FAILED, message_id=message_id)
        return event

    def became(self, message_id: str, status: str) -> StatusChanged:
        """The message's status of that name, once it is known."""
        event: StatusChanged = self._event(SMS_STATUS, message_id=message_id, status=status)
        return event

    def _event(self, topic: Topic, **fields: object) -> Any:
        """The topic's record with these fields, once there is one."""

        def fits(record: object) -> bool:
            return all(getattr(record, name) == value for name, value in fields.items())

        return until(lambda: next(filter(fits, self.records(topic)), None), f"{fields} on {topic.name}")

    # --- the Twilio simulator ---

    def ledger(self, person: str | None = None) -> list[dict[str, Any]]:
        """What the simulator accepted by its API."""
        rows = map(json.loads, self._get(f"{self.told.twilio.base_url}/sim/ledger").splitlines())
        return [row for row in rows if row["kind"] == "api" and row["to"] == (person or row["to"])]

    def control(self, path: str, method: str = "POST", **wish: object) -> None:
        """Tell the simulator something: a fault, an outcome, what a person texts."""
        status, says = post(f"{self.told.twilio.base_url}/sim/{path}", json.dumps(wish).encode(), {}, method)
        assert status < 300, says

    def summary(self) -> dict[str, Any]:
        """The simulator's own figures."""
        found: dict[str, Any] = json.loads(self._get(f"{self.told.twilio.base_url}/sim/summary"))
        return found

    def text(self, person: str, to: str, body: str) -> None:
        """A person texts one of our numbers."""
        self.control("inbound", **{"from": person, "to": to, "body": body})

    # --- webhooks ---

    def webhook(self, target: str, form: Mapping[str, str] | bytes, token: str = AUTH_TOKEN) -> tuple[int, str]:
        """Post a webhook signed with this token, as Twilio does; the answer's status and text."""
        fields = list(form.items()) if isinstance(form, Mapping) else []
        url = f"{self.told.twilio.public_url}{target}"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature(token, url, fields),
        }
        return post(url, urlencode(fields).encode() if fields else bytes(form), headers)  # type: ignore[arg-type]  # bytes if no fields

    def answered(self, route: str, status: int) -> int:
        """How many requests of this route the ingester counts as answered with this HTTP status."""
        line = f'smsflow_webhook_responses_total{{route="{route}",status="{status}"}} '
        metrics = self._get(f"{self.told.twilio.public_url}/metrics").splitlines()
        return sum(int(float(figure.removeprefix(line))) for figure in metrics if figure.startswith(line))

    def _get(self, url: str) -> str:
        with urllib.request.urlopen(url) as answer:
            return str(answer.read().decode())


def post(url: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> tuple[int, str]:
    """The answer's status and text, whatever they are."""
    request = urllib.request.Request(url, body, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def until(look: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """Look until there is something to see, and return it."""
    for _ in _while(patience_s):
        found = look()
        if found:
            return found
    raise AssertionError(f"not within {patience_s:g} s: {what}")


def _while(patience_s: float) -> Iterator[None]:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        yield
        time.sleep(POLL_S)
