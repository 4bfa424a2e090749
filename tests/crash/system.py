"""The whole system as processes on a real Kafka, each of which can be killed, and made to die at a named step."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.kafka.admin import KafkaAdmin
from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.simulator.model.settings import ACCOUNT_SID, AUTH_TOKEN
from processors.local.child_process import ChildProcess
from processors.local.data_dir import saved_ports
from processors.settings.model import load_settings
from processors.wiring.topics import all_topics
from tests.crash import crash_points
from tests.crash.proxy import Heard, Tap
from tests.crash.stores import Stored, stored_of

PATIENCE_S = 60.0
POLL_S = 0.02
PARTITIONS = 4
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "simulator": ("simulator",),
    "ingester": ("ingest",),
    "sink": ("sink",),
    "person": ("worker", "person"),
    "sender": ("worker", "sender"),
}
TUNING = {
    "SMSFLOW_PARTITIONS": str(PARTITIONS),
    "SMSFLOW_REPLICATION": "1",
    "SMSFLOW_WORKER_INSTANCE_ID": "1",
    "SMSFLOW_WORKER_SESSION_S": "6",
    "SMSFLOW_WORKER_HEARTBEAT_S": "1",
    "SMSFLOW_WORKER_REBALANCE_S": "15",
    "SMSFLOW_INTERVALS_RECONCILE_EVERY_S": "2",
    "SMSFLOW_INTERVALS_RECONCILE_BACK_S": "180",
    "SMSFLOW_INTERVALS_TICK_S": "0.1",
    "SMSFLOW_SINK_LINGER_S": "0.5",
    "SMSFLOW_SIMULATOR_QUICK": "true",
    # An answer is unknown after 2 s at most, looked for 3 s later, and given up 6 s after its call's end.
    "SMSFLOW_TIMING_INTENT_LIFE_S": "2",
    "SMSFLOW_TWILIO_TIMEOUT_S": "2",
    "SMSFLOW_TIMING_LOOK_UPS_S": "1,3",
    "SMSFLOW_TIMING_SETTLE_BY_S": "6",
}
LOSSES: tuple[Mapping[str, Any], ...] = (
    {"fault": "accept_then_drop", "probability": 0.05},
    {"fault": "accept_then_500", "probability": 0.03},
    {"fault": "accept_then_503", "probability": 0.02},
    {"fault": "500_without_effect", "probability": 0.03},
    {"fault": "hang", "probability": 0.02, "seconds": 4, "accepted": True},
    {"fault": "hang", "probability": 0.02, "seconds": 4, "accepted": False},
    {"fault": "slow", "probability": 0.02, "seconds": 3},
    {"fault": "reset_before", "probability": 0.03},
    {"fault": "garbage_201", "probability": 0.03},
    {"fault": "429", "probability": 0.02},
)
"""What the simulator's create call does while processes die."""
BAD_CALLBACKS = {"late": 0.1, "lost": 0.05, "duplicated": 0.1, "reordered": 0.05, "late_by_seconds": 1}


STAGES = ("person", "sender")
SENDERS = ("+12025550111", "+12025550104", "+12025550100", "+12025550102", "+18335550102", "55555")
"""At least one in each of the four partitions, so that every worker has some."""


class System:
    """Everything on one data directory. ``rate``: segments per second of each of six senders.

    ``workers`` of each stage are ``person-1``, ``person-2``, …; the only one is ``person``. Of several sender workers
    each calls the simulator by a wire of its own, which is listened to.
    """

    def __init__(self, folder: Path, *, seed: int = 1, rate: float = 10.0, sink: bool = True, workers: int = 1) -> None:
        self.folder = folder.absolute()
        self.kafka = EmbeddedKafka(self.folder / "kafka")
        self.told: list[tuple[datetime, str]] = []
        self._given = {
            **TUNING,
            "SMSFLOW_DATA_DIR": str(self.folder),
            "SMSFLOW_SIMULATOR_SEED": str(seed),
            "SMSFLOW_SENDERS": json.dumps([{"id": name, "number_type": "10dlc", "mps": rate} for name in SENDERS]),
        }
        names = [name for role in COMMANDS if sink or role != "sink" for name in _names(role, workers)]
        self.roles = {
            name: ChildProcess(name, COMMANDS[role_of(name)], self.folder, {}, module="tests.crash.armed")
            for name in names
        }
        self._urls: dict[str, str] = {}
        self._taps: dict[str, Tap] = {}
        self._absent: set[str] = set()

    def __enter__(self) -> System:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all of it and wait until all of it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._urls = {
            role: f"http://127.0.0.1:{port}"
            for role, port in saved_ports(self.folder, load_settings(environ={})).items()
        }
        self._given |= {f"SMSFLOW_{role.upper()}_PORT": url.rpartition(":")[2] for role, url in self._urls.items()}
        self._given |= {
            "SMSFLOW_TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "SMSFLOW_TWILIO_AUTH_TOKENS": AUTH_TOKEN,
            "SMSFLOW_TWILIO_BASE_URL": self._urls["simulator"],
            "SMSFLOW_TWILIO_PUBLIC_URL": self._urls["ingester"],
            "SMSFLOW_CLICKHOUSE_URL": f"chdb://{self.folder / 'clickhouse'}",
            "SMSFLOW_SINK_URL": self._urls["sink"],
        }
        self.kafka.start()
        self._given["SMSFLOW_BROKER"] = self.kafka.bootstrap
        KafkaAdmin(self.kafka.bootstrap).apply(all_topics(PARTITIONS), 1)
        self._listen()
        for name, role in self.roles.items():
            role.settings = self._settings(name)
            role.start()
        for name in self.roles:
            assert self.await_ready(name), self.roles[name].exit_report()

    def stop(self) -> None:
        """End what runs, by force: nothing of it is needed any more."""
        for role in self.roles.values():
            if role.alive():
                self._kill(role)
            role.stop()
        for tap in self._taps.values():
            tap.stop()
        self.kafka.kill()

    def kill(self, name: str) -> None:
        """``kill -9``; returns when the process is dead."""
        role = self.roles[name]
        self._kill(role)
        self.note(f"{name} killed")

    def restart(self, name: str, crash_at: str | None = None) -> bool:
        """Start the successor of a dead process; whether it serves (a step of its start may be the one it dies at)."""
        role = self.roles[name]
        role.settings = {**self._settings(name), **({crash_points.CRASH_VARIABLE: crash_at} if crash_at else {})}
        role.start()
        self._absent.discard(name)
        ready = self.await_ready(name)
        self.note(f"{name} started" + (f", to die at {crash_at}" if crash_at else ""))
        return ready

    def leave(self, name: str) -> None:
        """SIGTERM; returns when the worker has drained and ended. It stays away until `restart`."""
        self._absent.add(name)
        self.roles[name].stop()
        self.note(f"{name} left")

    def freeze(self, name: str) -> None:
        """Pause the process, as a hypervisor does: nothing of it runs, what the kernel holds for it stays."""
        self._signal(name, signal.SIGSTOP)
        self.note(f"{name} frozen")

    def thaw(self, name: str) -> None:
        """Let a frozen process go on where it stood."""
        self.note(f"{name} thawed")
        self._signal(name, signal.SIGCONT)

    def bounce_kafka(self, away_s: float = 0.0) -> None:
        """Kill the broker and start it again after ``away_s`` seconds."""
        self.kafka.kill()
        self.note("Kafka killed")
        time.sleep(away_s)
        self.kafka.start()
        self.note("Kafka started")

    def await_ready(self, name: str) -> bool:
        """Wait until the role serves (True) or is dead (False)."""
        role = self.roles[name]
        return wait_for(lambda: role.ready() is not None or not role.alive()) and role.alive()

    def await_death(self, name: str, patience_s: float) -> bool:
        """Wait until the role is dead; False if it does not die in that time."""
        role = self.roles[name]
        died = wait_for(lambda: not role.alive(), patience_s)
        if died:
            self.note(f"{name} died")
        return died

    def watch(self) -> None:
        """Start what ended by itself, as the supervisor does: a worker stops when Kafka fails it."""
        for name, role in self.roles.items():
            if not role.alive() and name not in self._absent:
                self.note(f"{name} had ended")
                self.restart(name)

    def fallen(self) -> list[str]:
        """Roles that are dead now, with their last words."""
        dead = {name: role for name, role in self.roles.items() if not role.alive() and name not in self._absent}
        return [f"{name}: {role.exit_report()}" for name, role in dead.items()]

    def note(self, what: str) -> None:
        """Remember an event for the history of a failure."""
        self.told.append((datetime.now(UTC), what))

    # --- the simulator ---

    def heard(self) -> list[Heard]:
        """Every create request that left one of several sender workers, in the order in which they came."""
        return sorted((one for tap in self._taps.values() for one in list(tap.heard)), key=lambda one: one.at)

    def misbehave(self) -> None:
        """From now on answers and callbacks get lost."""
        for fault in LOSSES:
            self._post("/sim/faults", fault)
        self.disturb_callbacks()

    def disturb_callbacks(self, **how: float) -> None:
        """What happens to callbacks from now on, as probabilities."""
        self._post("/sim/callback-faults", how or BAD_CALLBACKS)

    def text(self, person: str, to: str, body: str) -> None:
        """A person texts one of our numbers."""
        self._post("/sim/inbound", {"from": person, "to": to, "body": body})

    def ledger(self, after: int = 0) -> list[dict[str, Any]]:
        """What the simulator accepted by its API, from a place in the ledger on."""
        with urllib.request.urlopen(f"{self._urls['simulator']}/sim/ledger?after={after}") as answer:
            rows = [json.loads(line) for line in answer]
        return [row for row in rows if row["kind"] == "api"]

    def accepted(self) -> int:
        """How many messages the simulator has accepted."""
        with urllib.request.urlopen(f"{self._urls['simulator']}/sim/summary") as answer:
            by_kind = json.load(answer)["by_kind"]
        return int(by_kind.get("api", {"messages": 0})["messages"])

    def stored(self) -> dict[str, Any]:
        """The sink's summary: what ClickHouse holds."""
        with urllib.request.urlopen(f"{self._urls['sink']}/reports/summary") as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def stored_messages(self, message_ids: Iterable[str]) -> dict[str, Stored]:
        """What ClickHouse has of these; less where the sink does not answer now."""
        found: dict[str, Stored] = {}
        for message_id in message_ids:
            try:
                with urllib.request.urlopen(f"{self._urls['sink']}/reports/message/{message_id}") as answer:
                    found[message_id] = stored_of(json.load(answer))
            except OSError:
                break
        return found

    def _listen(self) -> None:
        """A wire for each of several sender workers."""
        simulator_port = int(self._urls["simulator"].rpartition(":")[2])
        self._taps = {name: Tap(name, simulator_port) for name in self.roles if name.startswith("sender-")}
        for tap in self._taps.values():
            tap.start()

    def _settings(self, name: str) -> dict[str, str]:
        """What a role is told: of several workers each has an instance id and a data directory of its own."""
        number = name.partition("-")[2]
        if not number:
            return dict(self._given)
        own = {"SMSFLOW_WORKER_INSTANCE_ID": number, "SMSFLOW_DATA_DIR": str(self.folder / f"worker-{number}")}
        if name in self._taps:
            own["SMSFLOW_TWILIO_BASE_URL"] = f"http://127.0.0.1:{self._taps[name].port}"
        return {**self._given, **own}

    def _signal(self, name: str, number: signal.Signals) -> None:
        pid = self.roles[name].pid
        assert pid is not None
        os.kill(pid, number)

    def _post(self, path: str, content: Mapping[str, Any]) -> None:
        request = urllib.request.Request(self._urls["simulator"] + path, json.dumps(content).encode(), method="POST")
        with urllib.request.urlopen(request):
            pass

    def _kill(self, role: ChildProcess) -> None:
        assert role.pid is not None
        os.kill(role.pid, signal.SIGKILL)
        wait_for(lambda: not role.alive())


def role_of(name: str) -> str:
    """``sender`` of ``sender-2``."""
    return name.partition("-")[0]


def _names(role: str, workers: int) -> list[str]:
    return [f"{role}-{number}" for number in range(1, workers + 1)] if role in STAGES and workers > 1 else [role]


def wait_for(condition: Any, patience_s: float = PATIENCE_S) -> bool:
    """Look until it holds; False if it does not within that time."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True
