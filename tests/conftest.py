"""What every test may ask for: a real Kafka, from Docker where an engine answers, else the embedded one."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache

import docker  # type: ignore[import-untyped]  # it ships no types
import pytest
from docker.errors import DockerException  # type: ignore[import-untyped]  # likewise
from hypothesis import HealthCheck, settings

from connectors.kafka.embedded.broker import KAFKA_VERSION, EmbeddedKafka

KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.0"  # testcontainers' start script is written for this image

# No test fails for being slow: machines are shared. A failure prints how to repeat it.
settings.register_profile("smsflow", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("smsflow")


@dataclass(frozen=True)
class KafkaServer:
    """A running broker that creates no topic by itself."""

    bootstrap: str


@cache
def docker_answers() -> bool:
    """Whether a Docker engine can be used for testcontainers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker leaves its socket open when nobody answers
        try:
            with closing(docker.from_env()) as client:
                return bool(client.ping())
        except DockerException:
            return False
        finally:
            gc.collect()


def pytest_report_header() -> str:
    used = f"testcontainers, {KAFKA_IMAGE}" if docker_answers() else f"embedded Apache Kafka {KAFKA_VERSION}"
    return f"kafka: {used}"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One broker for the whole run: tests name their own topics and groups."""
    server = _container() if docker_answers() else _embedded(tmp_path_factory)
    yield from server


def _container() -> Iterator[KafkaServer]:
    from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer(KAFKA_IMAGE).with_kraft().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    with container:
        yield KafkaServer(container.get_bootstrap_server())


def _embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield KafkaServer(broker.bootstrap)
