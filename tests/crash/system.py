"""The whole system as processes on a real Kafka; each can be killed, paused, or made to crash at a named step."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
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
from tests.crash.proxy import Proxy, RecordedCall
from tests.crash.stores import Stored, read_stored
from tests.crash.tuning import BAD_CALLBACKS, COMMANDS, LOSSES, PARTITIONS, SENDERS, STAGES, TUNING

PATIENCE_S = 60.0
POLL_S = 0.02


class System:
    """All roles on one data directory.

    Several workers of a stage are named ``person-1``, ``person-2``, …; a single one is ``person``. Each of several
    sender workers calls the simulator through a proxy of its own, which records the calls. ``events`` lists what
    happened to which role, and when.

    Args:
        folder: The data directory.
        seed: The simulator's seed.
        rate: Segments per second of each of the six senders.
        sink: Whether the ClickHouse sink runs too.
        workers: How many workers each stage has.
    """

    def __init__(self, folder: Path, *, seed: int = 1, rate: float = 10.0, sink: bool = True, workers: int = 1) -> None:
        self.folder = folder.absolute()
        self.kafka = EmbeddedKafka(self.folder / "kafka")
        self.events: list[tuple[datetime, str]] = []
        self._common = {
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
        self._proxies: dict[str, Proxy] = {}
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
        """Start every role, and wait until each is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._urls = {
            role: f"http://127.0.0.1:{port}"
            for role, port in saved_ports(self.folder, load_settings(environ={})).items()
        }
        self._common |= {f"SMSFLOW_{role.upper()}_PORT": url.rpartition(":")[2] for role, url in self._urls.items()}
        self._common |= {
            "SMSFLOW_TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "SMSFLOW_TWILIO_AUTH_TOKENS": AUTH_TOKEN,
            "SMSFLOW_TWILIO_BASE_URL": self._urls["simulator"],
            "SMSFLOW_TWILIO_PUBLIC_URL": self._urls["ingester"],
            "SMSFLOW_CLICKHOUSE_URL": f"chdb://{self.folder / 'clickhouse'}",
            "SMSFLOW_SINK_URL": self._urls["sink"],
        }
        self.kafka.start()
        self._common["SMSFLOW_BROKER"] = self.kafka.bootstrap
        KafkaAdmin(self.kafka.bootstrap).apply(all_topics(PARTITIONS), 1)
        self._start_proxies()
        for name, role in self.roles.items():
            role.settings = self._settings(name)
            role.start()
        for name in self.roles:
            assert self.await_ready(name), self.roles[name].exit_report()

    def stop(self) -> None:
        """Kill every process."""
        for role in self.roles.values():
            if role.alive():
                self._kill(role)
            role.stop()
        for proxy in self._proxies.values():
            proxy.stop()
        self.kafka.kill()

    def kill(self, name: str) -> None:
        """``kill -9``; returns when the process is dead."""
        role = self.roles[name]
        self._kill(role)
        self.note(f"{name} killed")

    def restart(self, name: str, crash_at: str | None = None) -> bool:
        """Start a dead role again; with ``crash_at`` it crashes at that point.

        Returns:
            Whether the role became ready; a crash point may lie before that.
        """
        role = self.roles[name]
        role.settings = {**self._settings(name), **({crash_points.CRASH_VARIABLE: crash_at} if crash_at else {})}
        role.start()
        self._absent.discard(name)
        ready = self.await_ready(name)
        self.note(f"{name} started" + (f", to crash at {crash_at}" if crash_at else ""))
        return ready

    def leave(self, name: str) -> None:
        """Stop a worker by SIGTERM, and wait until it has drained and ended. It stays stopped until ``restart``."""
        self._absent.add(name)
        self.roles[name].stop()
        self.note(f"{name} left")

    def freeze(self, name: str) -> None:
        """Pause the process by SIGSTOP; its sockets stay open."""
        self._signal(name, signal.SIGSTOP)
        self.note(f"{name} frozen")

    def thaw(self, name: str) -> None:
        """Let a paused process continue."""
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
        """Wait until the role is ready (True) or dead (False)."""
        role = self.roles[name]
        return wait_for(lambda: role.ready() is not None or not role.alive()) and role.alive()

    def await_death(self, name: str, patience_s: float) -> bool:
        """Wait until the role is dead; False if it is still alive after ``patience_s`` seconds."""
        role = self.roles[name]
        died = wait_for(lambda: not role.alive(), patience_s)
        if died:
            self.note(f"{name} died")
        return died

    def restart_ended(self) -> None:
        """Restart every role that ended by itself, as the supervisor does: a worker ends when Kafka fails."""
        for name, role in self.roles.items():
            if not role.alive() and name not in self._absent:
                self.note(f"{name} had ended")
                self.restart(name)

    def exit_reports(self) -> list[str]:
        """Name and exit report of every role that is dead now."""
        dead = {name: role for name, role in self.roles.items() if not role.alive() and name not in self._absent}
        return [f"{name}: {role.exit_report()}" for name, role in dead.items()]

    def note(self, what: str) -> None:
        """Add an event to the timeline that a failure shows."""
        self.events.append((datetime.now(UTC), what))

    # --- the simulator ---

    def recorded_calls(self) -> list[RecordedCall]:
        """Every create request that the proxies recorded, by time; none where there is only one sender worker."""
        return sorted((one for proxy in self._proxies.values() for one in list(proxy.calls)), key=lambda one: one.at)

    def arm_faults(self) -> None:
        """Let the simulator lose responses and callbacks from now on."""
        for fault in LOSSES:
            self._post("/sim/faults", fault)
        self.disturb_callbacks()

    def disturb_callbacks(self, **probabilities: float) -> None:
        """Set the callback faults; without arguments those of ``BAD_CALLBACKS``."""
        self._post("/sim/callback-faults", probabilities or BAD_CALLBACKS)

    def text(self, person: str, to: str, body: str) -> None:
        """Let a person text one of our numbers."""
        self._post("/sim/inbound", {"from": person, "to": to, "body": body})

    def ledger(self, after: int = 0) -> list[dict[str, Any]]:
        """The ledger's rows of messages created by its API, after row number ``after``."""
        with urllib.request.urlopen(f"{self._urls['simulator']}/sim/ledger?after={after}") as response:
            rows = [json.loads(line) for line in response]
        return [row for row in rows if row["kind"] == "api"]

    def accepted(self) -> int:
        """How many messages the simulator has accepted."""
        with urllib.request.urlopen(f"{self._urls['simulator']}/sim/summary") as response:
            by_kind = json.load(response)["by_kind"]
        return int(by_kind.get("api", {"messages": 0})["messages"])

    def stored(self) -> dict[str, Any]:
        """The sink's summary of ClickHouse."""
        with urllib.request.urlopen(f"{self._urls['sink']}/reports/summary") as response:
            found: dict[str, Any] = json.load(response)
        return found

    def stored_messages(self, message_ids: Iterable[str]) -> dict[str, Stored]:
        """What ClickHouse has of these messages; fewer when the sink stops answering."""
        found: dict[str, Stored] = {}
        for message_id in message_ids:
            try:
                with urllib.request.urlopen(f"{self._urls['sink']}/reports/message/{message_id}") as response:
                    found[message_id] = read_stored(json.load(response))
            except OSError:
                break
        return found

    def _start_proxies(self) -> None:
        """Start a proxy for each of several sender workers."""
        simulator_port = int(self._urls["simulator"].rpartition(":")[2])
        self._proxies = {name: Proxy(name, simulator_port) for name in self.roles if name.startswith("sender-")}
        for proxy in self._proxies.values():
            proxy.start()

    def _settings(self, name: str) -> dict[str, str]:
        """The settings of a role; each of several workers has its own instance id and data directory."""
        number = name.partition("-")[2]
        if not number:
            return dict(self._common)
        own = {"SMSFLOW_WORKER_INSTANCE_ID": number, "SMSFLOW_DATA_DIR": str(self.folder / f"worker-{number}")}
        if name in self._proxies:
            own["SMSFLOW_TWILIO_BASE_URL"] = f"http://127.0.0.1:{self._proxies[name].port}"
        return {**self._common, **own}

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
    """The role of a worker's name: ``sender`` for ``sender-2``."""
    return name.partition("-")[0]


def _names(role: str, workers: int) -> list[str]:
    return [f"{role}-{number}" for number in range(1, workers + 1)] if role in STAGES and workers > 1 else [role]


def wait_for(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> bool:
    """Wait until the condition is true; False if it is not within ``patience_s`` seconds."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True
