"""The embedded broker, started for real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.free_port import is_free
from connectors.kafka.embedded import broker as embedded_module
from connectors.kafka.embedded import jars
from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.kafka.embedded.broker_files import BrokerFiles, format_once, load_ports
from connectors.kafka.embedded.java import find_java, java_version
from connectors.kafka.errors import KafkaStartError

pytestmark = pytest.mark.kafka
RECORDS = 500

STARTS_A_BROKER_AND_WAITS = """
import sys
from pathlib import Path
from connectors.kafka.embedded.broker import EmbeddedKafka
broker = EmbeddedKafka(Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    embedded = EmbeddedKafka(tmp_path / "kafka")
    embedded.start()
    yield embedded
    embedded.kill()


def test_acknowledged_records_survive_a_kill_and_a_restart(broker: EmbeddedKafka) -> None:
    address = broker.bootstrap
    _create(address, "survivors")
    _publish(address, "survivors", RECORDS)
    broker.kill()
    assert not broker.alive()

    broker.start()

    assert broker.bootstrap == address
    assert _count(address, "survivors") == RECORDS


def test_a_stop_in_order_leaves_no_process_and_can_be_started_again(broker: EmbeddedKafka) -> None:
    first = broker.pid
    broker.stop()
    assert not psutil.pid_exists(first)
    assert not broker.alive()

    broker.stop()  # once more does no harm
    broker.start()

    assert broker.alive()
    assert broker.pid != first


def test_the_broker_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    with _python(STARTS_A_BROKER_AND_WAITS, str(tmp_path / "kafka")) as parent:
        java = psutil.Process(int(_line(parent)))
        parent.kill()

        psutil.wait_procs([java], timeout=3)

        assert not java.is_running()


def test_the_broker_ends_when_its_guard_is_killed_too(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent ended")
    with _python(STARTS_A_BROKER_AND_WAITS, str(tmp_path / "kafka")) as parent:
        java = psutil.Process(int(_line(parent)))
        guard_pid = java.ppid()
        parent.kill()
        os.kill(guard_pid, signal.SIGKILL)

        psutil.wait_procs([java], timeout=3)

        assert not java.is_running()


def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_module, "PORT_TIMEOUT", 0)
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        embedded = EmbeddedKafka(tmp_path / "kafka", port=port)
        with pytest.raises(KafkaStartError, match=rf"port {port} is taken.*another smsflow"):
            embedded.start()
    assert not embedded.alive()


def test_a_broker_that_fails_says_why_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Settings of a broker that has another id: the log directory refuses it."""
    embedded = EmbeddedKafka(tmp_path / "kafka")
    embedded.start()
    embedded.stop()
    meta = tmp_path / "kafka" / "log" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=2"))

    with pytest.raises(KafkaStartError, match=r"(?s)Apache Kafka ended before it was ready.*node id"):
        embedded.start()

    assert not embedded.alive()


def test_data_directories_share_one_cache(tmp_path: Path) -> None:
    said: list[str] = []
    jars.kafka_jars(jars.default_cache_dir(), said.append)  # other tests filled it
    assert said == []


def test_ports_stay_the_same_over_starts(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path)
    first = load_ports(files, wanted=None)
    assert load_ports(files, wanted=None) == first
    assert is_free(first.client)
    assert load_ports(files, wanted=1234).client == 1234


def test_the_java_found_is_new_enough() -> None:
    assert java_version(find_java()) >= 17


def test_a_failed_format_shows_what_kafka_said(tmp_path: Path) -> None:
    files = BrokerFiles(tmp_path)
    with pytest.raises(KafkaStartError, match="could not format"):
        format_once(files, [sys.executable, "-c", "raise SystemExit('no')"])


def _python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _create(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result()


def _publish(bootstrap: str, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    for number in range(count):
        producer.produce(topic, key=str(number), value=str(number))
    assert producer.flush(30) == 0


def _count(bootstrap: str, topic: str) -> int:
    group = uuid.uuid4().hex
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})
    marks = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10) for p in (0, 1)]
    consumer.close()
    return sum(high - low for low, high in marks)
