"""The whole system on one machine: which parts run, and what they are told. `up` and `demo` start it.

What the settings name (a broker, a ClickHouse, a Twilio account) is used as it is; what they leave open is embedded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.kafka.errors import KafkaConnectorError
from connectors.simulator.model.settings import ACCOUNT_SID, AUTH_TOKEN
from processors.cli.topics import apply_topics
from processors.demo.load import POOL
from processors.local.child_process import ChildProcess
from processors.local.data_dir import lock_data_dir, saved_ports, write_private
from processors.local.supervisor import StartError, Supervisor
from processors.settings.model import Settings, load_settings
from processors.wiring.factories import RUNNING

LOCAL = "127.0.0.1"
DEFAULTS = {
    "SMSFLOW_PARTITIONS": "4",  # a second worker of each stage still finds work
    "SMSFLOW_REPLICATION": "1",
    "SMSFLOW_WORKER_SESSION_S": "6",
    "SMSFLOW_WORKER_HEARTBEAT_S": "1",
    "SMSFLOW_WORKER_REBALANCE_S": "15",
    "SMSFLOW_SINK_LINGER_S": "1",
}


@dataclass(slots=True)
class SupervisedKafka:
    """The embedded broker as a supervised part; starting it waits until it serves."""

    kafka: EmbeddedKafka
    show: Callable[[str], None]
    name: str = "Kafka"
    _failure: str = ""

    def start(self) -> None:
        try:
            self.kafka.start(self.show)
        except KafkaConnectorError as error:
            self._failure = str(error)
            raise StartError(f"{self.name}: {error}") from error

    def ready(self) -> str | None:
        return self.kafka.bootstrap if self.kafka.alive() else None

    def alive(self) -> bool:
        return self.kafka.alive()

    def stop(self) -> None:
        self.kafka.stop()

    def obituary(self) -> str:
        return self._failure or f"see {self.kafka.data_dir / 'kafka.log'}"


@dataclass(slots=True)
class Machine:
    """One data directory and what runs on it. ``tuning``: variables that replace the defaults of one machine."""

    settings: Settings
    supervisor: Supervisor
    show: Callable[[str], None]
    tuning: Mapping[str, str] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)
    _held: ExitStack = field(default_factory=ExitStack)

    @property
    def folder(self) -> Path:
        """The data directory, absolute."""
        return self.settings.data_dir.absolute()

    @property
    def simulated(self) -> bool:
        """Whether the Twilio simulator stands in for Twilio."""
        return not self.settings.twilio.account_sid

    @property
    def brokered(self) -> bool:
        """Whether the settings name a Kafka."""
        return "broker" in self.settings.model_fields_set

    def start(self) -> None:
        """Start everything that is not given. Raises StartError, DataDirInUse; `stop` stops what runs then."""
        if not self.brokered and self.settings.kafka.security_protocol != "PLAINTEXT":
            raise StartError("kafka.security_protocol is for a cluster of yours: name it too, broker (SMSFLOW_BROKER)")
        self._held.enter_context(lock_data_dir(self.folder))
        self._told = self._environment(saved_ports(self.folder, self.settings))
        if not self.brokered:
            kafka = EmbeddedKafka(self.folder / "kafka")
            self.supervisor.start(SupervisedKafka(kafka, self.show))
            self._told["SMSFLOW_BROKER"] = kafka.bootstrap
        try:
            apply_topics(self.told())
        except KafkaConnectorError as error:
            raise StartError(f"topics: {error}") from error
        self.supervisor.start(*self._servers())
        self.supervisor.start(*self._workers())
        write_private(self.folder / RUNNING, json.dumps(self._told))
        self._held.callback((self.folder / RUNNING).unlink)

    def stop(self) -> None:
        """Stop everything that was started, and let the data directory go."""
        with self._held:
            self.supervisor.stop()

    def told(self) -> Settings:
        """The settings the roles run with, complete once everything has started."""
        return load_settings(environ=self._told)

    def _servers(self) -> Iterator[ChildProcess]:
        yield self._role("sink", "sink")
        yield self._role("ingester", "ingest")
        if self.simulated:
            yield self._role("simulator", "simulator")

    def _workers(self) -> Iterator[ChildProcess]:
        yield self._role("person worker", "worker", "person")
        yield self._role("sender worker", "worker", "sender")

    def _role(self, name: str, *arguments: str) -> ChildProcess:
        return ChildProcess(name, arguments, self.folder, self._told)

    def _environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        """What is given, over the defaults of one machine."""
        addresses = {f"SMSFLOW_{role.upper()}_PORT": str(port) for role, port in ports.items()}
        own = {
            "SMSFLOW_CLICKHOUSE_URL": f"chdb://{self.folder / 'clickhouse'}",
            "SMSFLOW_SINK_URL": f"http://{LOCAL}:{ports['sink']}",
            "SMSFLOW_WORKER_INSTANCE_ID": "1",
        }
        simulator = _simulator_settings(ports) if self.simulated else {}
        fixed = {"SMSFLOW_DATA_DIR": str(self.folder), **addresses}
        return DEFAULTS | own | simulator | dict(self.tuning) | self.settings.environment() | fixed


def _simulator_settings(ports: Mapping[str, int]) -> dict[str, str]:
    """Settings that make the Twilio simulator the account."""
    senders = [{"id": number, "number_type": _type_of(number), "mps": 100} for number in POOL]
    return {
        "SMSFLOW_TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "SMSFLOW_TWILIO_AUTH_TOKENS": AUTH_TOKEN,
        "SMSFLOW_TWILIO_BASE_URL": f"http://{LOCAL}:{ports['simulator']}",
        "SMSFLOW_TWILIO_PUBLIC_URL": f"http://{LOCAL}:{ports['ingester']}",
        "SMSFLOW_INTERVALS_RECONCILE_EVERY_S": "15",
        "SMSFLOW_SENDERS": json.dumps(senders),
    }


def _type_of(sender: str) -> str:
    if not sender.startswith("+"):
        return "short_code"
    return "toll_free" if sender.startswith("+1833") else "10dlc"
