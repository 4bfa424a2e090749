"""One machine, started and stopped as a person would, on a real Kafka and the embedded ClickHouse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from connectors.kafka.reader import read_all
from processors.cli.parts import RUNNING
from schemas.codec import Codec
from schemas.records import Revocation
from schemas.topics import SMS_REVOCATIONS

pytestmark = pytest.mark.kafka

PATIENCE_S = 60.0
ANNA, BEN, CLEO = "+12125550101", "+12125550102", "+12125550103"


class Machine:
    """`smsflow up` on one data directory, and the commands of another terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = {name: value for name, value in os.environ.items() if not name.startswith("SMSFLOW_")}
        quick = {"SMSFLOW_SIMULATOR_QUICK": "1", "SMSFLOW_INTERVALS_RECONCILE_EVERY_S": "1"}
        self._env = own | quick | {"SMSFLOW_DATA_DIR": str(folder)}
        self._up: subprocess.Popen[str] | None = None
        self.output = folder.with_suffix(".out")

    def start(self) -> None:
        with self.output.open("w") as output:
            self._up = subprocess.Popen(
                self._command("up"), env=self._env, stdout=output, stderr=output, text=True, start_new_session=True
            )
        self.until(lambda: "Ctrl-C stops everything" in self.output.read_text(), self.output.read_text)

    def signal(self, how: signal.Signals) -> None:
        """Send `up` a signal; return when it and everything it had started are gone."""
        assert self._up is not None
        family = psutil.Process(self._up.pid).children(recursive=True)
        assert len(family) >= 7, "six parts, and the broker's guard"
        self._up.send_signal(how)
        self._up.wait(PATIENCE_S)
        _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
        assert alive == []

    def run(self, *words: str) -> str:
        done = subprocess.run(
            self._command(*words), env=self._env, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def status(self, message_id: str) -> str:
        """What `trace` says of the message: its final status, or the last one (callbacks overtake each other)."""
        lines = [json.loads(line) for line in self.run("trace", message_id, "--json").splitlines()]
        told = [line["record"] for line in lines if line["topic"] in ("sms-status", "sms-failed")]
        last = next((record for record in told if record.get("final")), told[-1] if told else {"status": "nothing"})
        return str(last.get("status") or last["reason"])

    def until(self, true: Callable[[], bool], shown: Callable[[], object] = str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, shown()
            time.sleep(0.2)

    def failed(self, message_id: str) -> bool:
        return "sms-failed" in self.run("trace", message_id)

    def simulator(self, path: str, method: str = "POST", **fields: Any) -> None:
        port = json.loads((self.folder / "ports.json").read_text())["simulator"]
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/sim/{path}", json.dumps(fields).encode(), method=method
        )
        urllib.request.urlopen(asked, timeout=PATIENCE_S).close()

    def accepted(self, person: str) -> int:
        """How many messages to this person Twilio's twin has accepted from us."""
        port = json.loads((self.folder / "ports.json").read_text())["simulator"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sim/ledger", timeout=PATIENCE_S) as answer:
            rows = [json.loads(line) for line in answer.read().splitlines()]
        return sum(row["to"] == person and row["kind"] == "api" for row in rows)

    def revoked(self, person: str) -> bool:
        """Whether the person's STOP is where every sender worker reads it."""
        broker = json.loads((self.folder / RUNNING).read_text())["SMSFLOW_BROKER"]
        said = [Codec().decode(Revocation, read.value) for read in read_all(broker, [SMS_REVOCATIONS.name])]
        return any(one.person == person and one.revoked for one in said)

    def close(self) -> None:
        if self._up is not None and self._up.poll() is None:
            self._up.kill()
            self._up.wait()

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "processors.cli", *words]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "data")
    yield made
    made.close()


def test_a_second_start_continues_where_the_first_was_stopped(machine: Machine) -> None:
    """Topics, tables and rows are there; what was scheduled before the stop goes out after it; no process is left."""
    machine.start()
    machine.simulator("outcomes", to=ANNA, status="delivered", times=2)
    first = machine.run("send", "--to", ANNA, "--body", "one")
    machine.until(lambda: machine.status(first) == "delivered", lambda: machine.run("trace", first))
    later = machine.run("send", "--to", ANNA, "--body", "two", "--send-at", "5s")
    machine.until(lambda: machine.status(later) == "waiting")
    machine.until(lambda: json.loads(machine.run("report", "summary", "--json"))["delivered"] == 1)
    machine.signal(signal.SIGINT)

    machine.start()
    machine.until(lambda: machine.status(later) == "delivered")
    machine.until(lambda: json.loads(machine.run("report", "summary", "--json"))["delivered"] == 2)
    assert machine.accepted(ANNA) == 2
    machine.signal(signal.SIGKILL)


def test_a_replay_sends_what_may_pass_now_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    """Twilio takes nothing for a while (429), so two messages miss their deadline; one person says STOP meanwhile."""
    machine.start()
    for person in (ANNA, BEN, CLEO):
        machine.simulator("outcomes", to=person, status="delivered")
    cleo = machine.run("send", "--to", CLEO, "--body", "hello")
    machine.until(lambda: machine.status(cleo) == "delivered")
    machine.simulator("faults", fault="429")
    anna, ben = (machine.run("send", "--to", to, "--body", "hello", "--deadline", "3s") for to in (ANNA, BEN))
    machine.until(lambda: machine.failed(anna) and machine.failed(ben), lambda: machine.run("trace", anna))
    machine.simulator("faults", "DELETE")

    plan = str(tmp_path / "plan.json")
    words = machine.run("replay", "plan", "--since", "1h", "--out", plan)
    assert "2 failures: 2 to send, 0 to put back" in words, words
    number = json.loads(machine.run("trace", ben, "--json").splitlines()[1])["record"]["sender"]
    machine.simulator("inbound", **{"from": BEN, "to": number, "body": "STOP"})
    machine.until(lambda: machine.revoked(BEN))

    assert machine.run("replay", "run", plan).endswith("2 put back, 0 were before, 0 no longer kept by Kafka")
    machine.until(lambda: machine.status(anna) == "delivered")
    machine.until(lambda: machine.status(ben) == "replay_refused")
    assert machine.run("replay", "run", plan).endswith("0 put back, 2 were before, 0 no longer kept by Kafka")
    assert [machine.accepted(person) for person in (ANNA, BEN, CLEO)] == [1, 0, 1]
    words = machine.run("replay", "plan", "--since", "1h")
    assert words.endswith("2 failures: 0 to send, 0 to put back")
    assert [line.split()[-1] for line in words.splitlines() if " never " in line] == ["delivered", "out"]
    machine.signal(signal.SIGTERM)
