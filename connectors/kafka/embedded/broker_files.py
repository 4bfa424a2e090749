"""What an embedded broker keeps in its data directory: its ports, its settings, its formatted log directory."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from connectors.files import write_atomically
from connectors.free_port import free_port, is_free
from connectors.kafka.errors import KafkaStartError

HOST = "127.0.0.1"
JVM_OPTIONS = (
    "-Xmx512m",
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # the client compiler alone: ready sooner, and one user is no load
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{client},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{client}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# After a crash the broker waits until its own old registration has expired: keep that short.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
num.network.threads=2
num.io.threads=2
log.segment.bytes=67108864
log.index.size.max.bytes=262144
log.cleaner.dedupe.buffer.size=16777216
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the broker listens on loopback."""

    client: int
    controller: int


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The paths under one data directory."""

    folder: Path

    @property
    def log_dir(self) -> Path:
        """Where Kafka stores its topics."""
        return self.folder / "log"

    @property
    def settings(self) -> Path:
        """Kafka's configuration."""
        return self.folder / "server.properties"

    @property
    def ports(self) -> Path:
        """The ports of the last start."""
        return self.folder / "ports.json"

    @property
    def log(self) -> Path:
        """What the broker logs."""
        return self.folder / "kafka.log"

    def tail(self, lines: int = 20) -> str:
        """The last lines of the broker's own log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])


def load_ports(files: BrokerFiles, wanted: int | None) -> Ports:
    """The ports of the last start, or free ones for the first. ``wanted`` overrides the clients' port.

    Raises:
        KafkaStartError: No free port was found.
    """
    if files.ports.exists():
        ports = Ports(**json.loads(files.ports.read_text("utf-8")))
    else:
        try:
            ports = Ports(free_port(), free_port())
        except OSError as error:
            raise KafkaStartError(str(error)) from None
    if wanted is not None:
        ports = Ports(wanted, ports.controller)
    write_atomically(files.ports, json.dumps({"client": ports.client, "controller": ports.controller}))
    return ports


def await_free_ports(ports: Ports, files: BrokerFiles, timeout: float) -> None:
    """Wait until a predecessor has released the ports, for at most ``timeout`` seconds.

    Raises:
        KafkaStartError: Another process uses one of the ports.
    """
    deadline = time.monotonic() + timeout
    for port in (ports.client, ports.controller):
        while not is_free(port):
            if time.monotonic() > deadline:
                raise KafkaStartError(
                    f"port {port} is taken. Is another smsflow running on {files.folder}? "
                    f"If not, delete {files.ports} and new ports are chosen."
                )
            time.sleep(0.1)


def write_settings(files: BrokerFiles, ports: Ports, extra: str = "") -> None:
    """server.properties, written anew at every start: a new release may bring new settings."""
    text = (_SETTINGS + extra).format(
        host=HOST, client=ports.client, controller=ports.controller, log_dir=files.log_dir.as_posix()
    )
    write_atomically(files.settings, text)


def java_command(java: Path, jars: list[Path]) -> list[str]:
    """The command up to the main class."""
    return [str(java), *JVM_OPTIONS, "-cp", os.pathsep.join(map(str, jars))]


def format_once(files: BrokerFiles, java: list[str]) -> str:
    """Prepare an empty log directory. Returns the cluster's id, which tells this broker from another one.

    Raises:
        KafkaStartError: Kafka's storage tool failed; its output is shown.
    """
    if not (files.log_dir / "meta.properties").exists():
        command = [*java, "kafka.tools.StorageTool", "format", "-t", _new_cluster_id(), "-c", str(files.settings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KafkaStartError(f"could not format {files.log_dir}:\n{done.stdout}{done.stderr}")
    return _cluster_id(files.log_dir / "meta.properties")


def _cluster_id(meta: Path) -> str:
    lines = meta.read_text("utf-8").splitlines()
    return next(line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id="))


def _new_cluster_id() -> str:
    """22 characters as Kafka's Uuid writes them; one that starts with a dash would look like an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made
