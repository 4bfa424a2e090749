"""A real Apache Kafka on loopback for one machine: one KRaft broker in a JVM of its own, nothing installed but Python.

The same broker as in production on small defaults: acknowledged records survive ``kill -9`` of the broker, the data
directory can be started again, the broker never outlives the process that started it (see `guard`).
"""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connectors.kafka.embedded import guard
from connectors.kafka.embedded.broker_files import (
    HOST,
    BrokerFiles,
    Ports,
    await_free_ports,
    format_once,
    java_command,
    load_ports,
    write_settings,
)
from connectors.kafka.embedded.jars import default_cache_dir, kafka_jars
from connectors.kafka.embedded.java import find_java
from connectors.kafka.errors import KafkaStartError

logger = logging.getLogger(__name__)

KAFKA_VERSION = "4.4.0"
START_TIMEOUT = 60.0
"""Seconds until a start is given up: a large data directory after a crash on a busy machine takes some."""
PORT_TIMEOUT = 5.0  # a predecessor whose parent was killed needs a second or two to end
_HINTS = (
    ("Failed to acquire lock", "another process uses this data directory: stop it first"),
    ("Address already in use", "somebody took the port meanwhile: start again"),
    ("No space left", "the disk is full"),
    ("UnsupportedClassVersionError", "the Java found is older than 17"),
    ("OutOfMemoryError", "the machine has too little free memory: the broker needs about 400 MB"),
)


class EmbeddedKafka:
    """One broker on one data directory.

    ``data_dir`` holds its ports, settings, log and records; ``cache_dir`` the jars (default: `default_cache_dir`);
    ``port`` is where clients connect (default: chosen at the first start, and the same ever after). ``extra`` are more
    lines of server.properties, over ours; ``{client}`` and ``{controller}`` in them are the ports.
    """

    def __init__(self, data_dir: Path, cache_dir: Path | None = None, port: int | None = None, extra: str = "") -> None:
        self._files = BrokerFiles(data_dir.resolve())
        self._cache_dir = cache_dir or default_cache_dir()
        self._wanted_port = port
        self._extra = extra
        self._ports: Ports | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    def data_dir(self) -> Path:
        """The folder of the broker's data, log and settings."""
        return self._files.folder

    @property
    def bootstrap(self) -> str:
        """The address for clients, ``host:port``.

        Raises:
            KafkaStartError: The broker was never started, so it has no address yet.
        """
        if self._ports is None:
            raise KafkaStartError("the embedded Kafka has no address before its first start")
        return f"{HOST}:{self._ports.client}"

    @property
    def pid(self) -> int:
        """The JVM's process id; 0 before the first start."""
        return self._pid

    def alive(self) -> bool:
        """Whether the broker's process runs."""
        return self._guard is not None and self._guard.poll() is None

    def start(self, on_progress: Callable[[str], None] = logger.info) -> None:
        """Fetch what is missing, format if new, start, and wait until clients are served.

        Raises KafkaStartError with the end of the broker's log and a hint; nothing is left running then.
        """
        if self.alive():
            return
        started = time.monotonic()
        java = java_command(find_java(), kafka_jars(self._cache_dir, on_progress))
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._ports = load_ports(self._files, self._wanted_port)
        await_free_ports(self._ports, self._files, PORT_TIMEOUT)
        write_settings(self._files, self._ports, self._extra)
        cluster_id = format_once(self._files, java)
        on_progress(f"starting Apache Kafka {KAFKA_VERSION}")
        self._launch([*java, "kafka.Kafka", str(self._files.settings)])
        self._await_ready(cluster_id)
        on_progress(f"Apache Kafka is ready on {self.bootstrap} after {time.monotonic() - started:.1f} s")

    def stop(self, timeout: float = 10) -> None:
        """Shut the broker down in order; after ``timeout`` seconds kill it (no acknowledged record is lost by that)."""
        if self._guard is None:
            return
        self._order(b"t")
        try:
            self._guard.wait(timeout)
        except subprocess.TimeoutExpired:
            logger.warning("the embedded Kafka did not stop within %s s: killed", timeout)
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End the broker at once, as a crash would."""
        if self._guard is None:
            return
        self._order(b"k")
        self._guard.wait()
        self._forget()

    def __enter__(self) -> EmbeddedKafka:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _order(self, order: bytes) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write(order)
            self._guard.stdin.flush()
        except BrokenPipeError:
            logger.debug("the embedded Kafka had ended before")

    def _forget(self) -> None:
        guard_process, self._guard = self._guard, None
        if guard_process is not None:
            guard_process.communicate()  # closes the pipes

    def _launch(self, command: list[str]) -> None:
        self._forget()
        if self._files.log.exists():
            shutil.move(self._files.log, self._files.log.with_suffix(".log.1"))
        with self._files.log.open("wb") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the parent, which stops us in its order
            )
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline() or b"0")

    def _await_ready(self, cluster_id: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if not self.alive() or time.monotonic() > deadline:
                raise self._start_error("ended before it was ready" if not self.alive() else "is not ready")
            time.sleep(0.05)
        found = self._ask_cluster_id(deadline)
        if found != cluster_id or not self.alive():
            raise self._start_error(f"has its port {self.bootstrap} taken by another broker ({found})")

    def _answers(self) -> bool:
        assert self._ports is not None
        try:
            with socket.create_connection((HOST, self._ports.client), timeout=1):
                return True
        except OSError:
            return False

    def _ask_cluster_id(self, deadline: float) -> str:
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        while self.alive() and time.monotonic() < deadline:
            try:
                seen = client.list_topics(timeout=5)
            except KafkaException as error:
                logger.debug("the embedded Kafka does not answer yet: %s", error)
                continue
            if seen.brokers:
                return str(seen.cluster_id)
        raise self._start_error("is not ready")

    def _start_error(self, what: str) -> KafkaStartError:
        self.kill()
        tail = self._files.tail()
        hint = next((text for sign, text in _HINTS if sign in tail), f"the whole log is {self._files.log}")
        return KafkaStartError(f"Apache Kafka {what}; {hint}.\n{tail}")
