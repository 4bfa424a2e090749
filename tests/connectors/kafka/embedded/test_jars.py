"""The jar cache, without a network: jgo is replaced at its one seam."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.kafka.embedded import jars
from connectors.kafka.embedded.jars import Jar, kafka_jars, locked_jars
from connectors.kafka.errors import KafkaStartError

CONTENT = {"alpha": b"first jar", "beta": b"second jar"}
LOCK = tuple(Jar("group", name, "1.0", hashlib.sha256(body).hexdigest()) for name, body in CONTENT.items())


class MemoryMaven:
    """Serves `CONTENT`; ``broken`` answers that many times with half a file."""

    def __init__(self, broken: int = 0) -> None:
        self.broken = broken
        self.served: list[str] = []

    def downloader(self, repository: Path) -> Callable[[Jar], Path]:
        def download(jar: Jar) -> Path:
            path = repository / jar.file_name
            body = CONTENT[jar.artifact]
            self.broken -= 1
            path.write_bytes(body[:3] if self.broken >= 0 else body)
            self.served.append(jar.artifact)
            return path

        return download


@pytest.fixture
def maven(monkeypatch: pytest.MonkeyPatch) -> MemoryMaven:
    served = MemoryMaven()
    monkeypatch.setattr(jars, "locked_jars", lambda: LOCK)
    monkeypatch.setattr(jars, "_downloader", served.downloader)
    return served


def test_the_lock_names_the_broker_and_a_checksum_for_every_jar() -> None:
    assert any(jar.artifact == "kafka_2.13" and jar.version == "4.4.0" for jar in locked_jars())
    assert all(len(jar.sha256) == 64 for jar in locked_jars())
    assert len({jar.file_name for jar in locked_jars()}) == len(locked_jars())


def test_the_first_start_fetches_with_progress_and_the_second_fetches_nothing(
    maven: MemoryMaven, tmp_path: Path
) -> None:
    said: list[str] = []
    paths = kafka_jars(tmp_path, said.append)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert said == ["fetching Apache Kafka: 1 of 2 jars", "fetching Apache Kafka: 2 of 2 jars"]

    kafka_jars(tmp_path, said.append)

    assert sorted(maven.served) == ["alpha", "beta"]


def test_a_truncated_jar_in_the_cache_is_replaced(maven: MemoryMaven, tmp_path: Path) -> None:
    [first, _] = kafka_jars(tmp_path, _silent)
    first.write_bytes(b"fir")

    kafka_jars(tmp_path, _silent)

    assert first.read_bytes() == CONTENT["alpha"]
    assert maven.served.count("alpha") == 2


def test_a_broken_download_is_tried_again(maven: MemoryMaven, tmp_path: Path) -> None:
    maven.broken = 1
    paths = kafka_jars(tmp_path, _silent)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())


def test_a_wrong_checksum_is_refused_and_not_kept(maven: MemoryMaven, tmp_path: Path) -> None:
    maven.broken = 4
    with pytest.raises(KafkaStartError, match="another SHA-256"):
        kafka_jars(tmp_path, _silent)
    assert list((tmp_path / "jars").glob("*.jar")) == []


def test_no_network_is_said_as_such(maven: MemoryMaven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(jar: Jar) -> Path:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(jars, "_downloader", lambda _: download)
    with pytest.raises(KafkaStartError, match="The first start needs the network"):
        kafka_jars(tmp_path, _silent)


def test_the_cache_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SMSFLOW_CACHE_DIR", str(tmp_path))
    assert jars.default_cache_dir() == tmp_path
    monkeypatch.delenv("SMSFLOW_CACHE_DIR")
    assert jars.default_cache_dir() == Path.home() / ".cache" / "smsflow"


def _silent(_: str) -> None:
    """Progress nobody looks at."""
