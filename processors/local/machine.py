"""The whole system on one machine: which processes run, with which settings. ``up`` and ``demo`` start it.

What the settings name (a broker, a ClickHouse, a Twilio account) is used as it is; what they leave open is embedded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from connectors.files import write_atomically
from connectors.free_port import LOOPBACK
from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.kafka.errors import KafkaConnectorError
from connectors.simulator.model.settings import ACCOUNT_SID, AUTH_TOKEN
from processors.local.child_process import ChildProcess
from processors.local.data_dir import lock_data_dir, saved_ports
from processors.local.simulated_senders import senders_variable
from processors.local.supervisor import StartError, Supervisor
from processors.settings.model import Settings, load_settings
from processors.wiring.command_settings import RUNNING_FILE
from processors.wiring.topics import apply_topics

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
    """The embedded broker as a supervised process; ``start`` waits until the broker serves."""

    kafka: EmbeddedKafka
    on_progress: Callable[[str], None]
    name: str = "Kafka"
    _failure: str = ""

    def start(self) -> None:
        """Start the broker.

        Raises:
            StartError: It did not come up.
        """
        try:
            self.kafka.start(self.on_progress)
        except KafkaConnectorError as error:
            self._failure = str(error)
            raise StartError(f"{self.name}: {error}") from error

    def ready(self) -> str | None:
        """The broker's address, or None while it does not run."""
        return self.kafka.bootstrap if self.kafka.alive() else None

    def alive(self) -> bool:
        """Whether the broker runs."""
        return self.kafka.alive()

    def stop(self) -> None:
        """Stop the broker and wait for its end."""
        self.kafka.stop()

    def exit_report(self) -> str:
        """Why the broker did not start, or where its log is."""
        return self._failure or f"see {self.kafka.data_dir / 'kafka.log'}"


@dataclass(slots=True)
class Machine:
    """One data directory and the processes that run on it.

    Args:
        settings: The settings of the command that starts it.
        supervisor: Starts and stops the processes.
        on_progress: Called with each line a person should read.
        tuning: ``SMSFLOW_*`` variables that replace the defaults of one machine.
    """

    settings: Settings
    supervisor: Supervisor
    on_progress: Callable[[str], None]
    tuning: Mapping[str, str] = field(default_factory=dict)
    _variables: dict[str, str] = field(default_factory=dict)
    _on_stop: ExitStack = field(default_factory=ExitStack)

    @property
    def folder(self) -> Path:
        """The data directory, absolute."""
        return self.settings.data_dir.absolute()

    @property
    def uses_simulator(self) -> bool:
        """Whether the Twilio simulator stands in for Twilio."""
        return not self.settings.twilio.account_sid

    @property
    def uses_own_broker(self) -> bool:
        """Whether the embedded Kafka is used, because the settings name no broker."""
        return "broker" not in self.settings.model_fields_set

    def start(self) -> None:
        """Start everything that the settings leave open.

        Raises:
            StartError: A process did not come up, or the topics could not be created. Call ``stop`` all the same.
            DataDirInUse: Another smsflow runs on the data directory.
        """
        if self.uses_own_broker and self.settings.kafka.security_protocol != "PLAINTEXT":
            raise StartError("kafka.security_protocol is for a cluster of yours: name it too, broker (SMSFLOW_BROKER)")
        self._on_stop.enter_context(lock_data_dir(self.folder))
        self._variables = self._initial_variables(saved_ports(self.folder, self.settings))
        if self.uses_own_broker:
            kafka = EmbeddedKafka(self.folder / "kafka")
            self.supervisor.start(SupervisedKafka(kafka, self.on_progress))
            self._variables["SMSFLOW_BROKER"] = kafka.bootstrap
        try:
            apply_topics(self.effective_settings())
        except KafkaConnectorError as error:
            raise StartError(f"topics: {error}") from error
        self.supervisor.start(*self._servers())
        self.supervisor.start(*self._workers())
        running_file = self.folder / RUNNING_FILE
        write_atomically(running_file, json.dumps(self._variables), private=True)
        self._on_stop.callback(running_file.unlink)

    def stop(self) -> None:
        """Stop everything that was started, and unlock the data directory."""
        with self._on_stop:
            self.supervisor.stop()

    def effective_settings(self) -> Settings:
        """The settings the roles run with; complete once everything has started."""
        return load_settings(environ=self._variables)

    def _servers(self) -> Iterator[ChildProcess]:
        yield self._role("sink", "sink")
        yield self._role("ingester", "ingest")
        if self.uses_simulator:
            yield self._role("simulator", "simulator")

    def _workers(self) -> Iterator[ChildProcess]:
        yield self._role("person worker", "worker", "person")
        yield self._role("sender worker", "worker", "sender")

    def _role(self, name: str, *arguments: str) -> ChildProcess:
        return ChildProcess(name, arguments, self.folder, self._variables)

    def _initial_variables(self, ports: Mapping[str, int]) -> dict[str, str]:
        """The roles' variables: the given settings, over the defaults of one machine. Contains secrets."""
        port_variables = {f"SMSFLOW_{role.upper()}_PORT": str(port) for role, port in ports.items()}
        addresses = {
            "SMSFLOW_CLICKHOUSE_URL": f"chdb://{self.folder / 'clickhouse'}",
            "SMSFLOW_SINK_URL": f"http://{LOOPBACK}:{ports['sink']}",
            "SMSFLOW_WORKER_INSTANCE_ID": "1",
        }
        simulator = _simulator_variables(ports) if self.uses_simulator else {}
        fixed = {"SMSFLOW_DATA_DIR": str(self.folder), **port_variables}
        return DEFAULTS | addresses | simulator | dict(self.tuning) | self.settings.environment() | fixed


def _simulator_variables(ports: Mapping[str, int]) -> dict[str, str]:
    """Settings that make the Twilio simulator the account."""
    return {
        "SMSFLOW_TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "SMSFLOW_TWILIO_AUTH_TOKENS": AUTH_TOKEN,
        "SMSFLOW_TWILIO_BASE_URL": f"http://{LOOPBACK}:{ports['simulator']}",
        "SMSFLOW_TWILIO_PUBLIC_URL": f"http://{LOOPBACK}:{ports['ingester']}",
        "SMSFLOW_INTERVALS_RECONCILE_EVERY_S": "15",
        "SMSFLOW_SENDERS": senders_variable(),
    }
