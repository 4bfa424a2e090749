"""The registry's topics at the broker: what is missing or differs, and how it is put right.

Partition counts are never changed here: a key would move to another partition, away from its state and its order.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from connectors.kafka.cluster import ClusterLike, LastError, as_cluster
from connectors.kafka.errors import AdminError, TopicDrift
from schemas.topics import Topic

TIMEOUT = 30.0
"""Seconds the broker may take for one request."""


class DriftKind(StrEnum):
    """How a topic differs from the registry."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference; ``found`` is None where the topic is missing."""

    topic: str
    kind: DriftKind
    setting: str
    found: str | None
    wanted: str

    def __str__(self) -> str:
        if self.kind is DriftKind.MISSING:
            return f"{self.topic}: missing, wanted with {self.wanted} partitions"
        return f"{self.topic}: {self.setting} is {self.found}, wanted {self.wanted}"


class KafkaAdmin:
    """Topic administration at one cluster. Every method raises AdminError if the broker refuses or does not answer."""

    def __init__(self, where: ClusterLike) -> None:
        self._cluster = as_cluster(where)
        self._complaints = LastError()
        options = {"log_level": 0, "error_cb": self._complaints}
        self._client = AdminClient(self._cluster.librdkafka() | options)

    def partition_counts(self) -> Mapping[str, int]:
        """Every topic there is → its number of partitions."""
        return {name: len(topic.partitions) for name, topic in self._metadata().topics.items()}

    def plan(self, topics: Iterable[Topic], replication: int) -> list[Drift]:
        """What differs from these topics; changes nothing."""
        wanted = list(topics)
        counts = self.partition_counts()
        configs = self._configs([topic.name for topic in wanted if topic.name in counts])
        return [drift for topic in wanted for drift in _drifts(topic, replication, counts, configs)]

    def apply(self, topics: Iterable[Topic], replication: int) -> list[Drift]:
        """Create what is missing, set settings that differ, and return what was put right once the broker shows it.

        Raises TopicDrift, before anything is changed, if a topic has another number of partitions.
        """
        wanted = {topic.name: topic for topic in topics}
        found = self.plan(wanted.values(), replication)
        _refuse_other_partitions(found)
        missing = [wanted[drift.topic] for drift in found if drift.kind is DriftKind.MISSING]
        self._create(missing, replication)
        self._alter([drift for drift in found if drift.kind is DriftKind.CONFIG])
        self._await_leaders({topic.name: topic.partitions for topic in missing})
        return found

    def _metadata(self) -> ClusterMetadata:
        try:
            return self._client.list_topics(timeout=TIMEOUT)
        except KafkaException as error:
            self._client.poll(0)  # hands over the complaints
            why = self._complaints.explain(error.args[0].str())
            raise AdminError(f"{self._cluster} does not answer: {why}") from error

    def _configs(self, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        if not names:
            return {}
        asked = self._client.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
        answers = {resource.name: _result(resource.name, future) for resource, future in asked.items()}
        return {name: {entry.name: entry.value for entry in found.values()} for name, found in answers.items()}

    def _create(self, topics: Sequence[Topic], replication: int) -> None:
        if not topics:
            return
        made = [
            NewTopic(topic.name, topic.partitions, replication, config=dict(_wanted_config(topic, replication)))
            for topic in topics
        ]
        for name, future in self._client.create_topics(made, request_timeout=TIMEOUT).items():
            _result(name, future, fine=KafkaError.TOPIC_ALREADY_EXISTS)  # somebody else applies the same registry

    def _alter(self, drifts: Sequence[Drift]) -> None:
        if not drifts:
            return
        resources = [
            ConfigResource(
                ResourceType.TOPIC,
                name,
                incremental_configs=[
                    ConfigEntry(drift.setting, drift.wanted, incremental_operation=AlterConfigOpType.SET)
                    for drift in drifts
                    if drift.topic == name
                ],
            )
            for name in sorted({drift.topic for drift in drifts})
        ]
        for resource, future in self._client.incremental_alter_configs(resources).items():
            _result(resource.name, future)

    def _await_leaders(self, topics: Mapping[str, int]) -> None:
        """Wait until a client that asks now can use these topics."""
        deadline = time.monotonic() + TIMEOUT
        while waiting := [name for name, count in topics.items() if not _led(self._metadata(), name, count)]:
            if time.monotonic() > deadline:
                raise AdminError(f"created, but without a leader after {TIMEOUT:g} s: {', '.join(waiting)}")
            time.sleep(0.05)


def _drifts(
    topic: Topic, replication: int, counts: Mapping[str, int], configs: Mapping[str, Mapping[str, str]]
) -> Iterator[Drift]:
    count = counts.get(topic.name)
    if count is None:
        yield Drift(topic.name, DriftKind.MISSING, "topic", None, str(topic.partitions))
        return
    if count != topic.partitions:
        yield Drift(topic.name, DriftKind.PARTITIONS, "partitions", str(count), str(topic.partitions))
    found = configs[topic.name]
    for setting, value in _wanted_config(topic, replication).items():
        if found.get(setting) != value:
            yield Drift(topic.name, DriftKind.CONFIG, setting, found.get(setting), value)


def _wanted_config(topic: Topic, replication: int) -> Mapping[str, str]:
    """The topic's settings; an acknowledged record is on all replicas but one, so that one may fail."""
    config = {
        "cleanup.policy": topic.cleanup_policy,
        "min.insync.replicas": str(max(1, replication - 1)),
        **topic.config,
    }
    if topic.retention_ms is not None:
        config["retention.ms"] = str(topic.retention_ms)
    return config


def _refuse_other_partitions(drifts: Sequence[Drift]) -> None:
    wrong = [drift for drift in drifts if drift.kind is DriftKind.PARTITIONS]
    if not wrong:
        return
    lines = "\n".join(f"  {drift}" for drift in wrong)
    raise TopicDrift(
        f"partition counts differ from the registry:\n{lines}\n"
        "They are not changed here: every key would move away from its state. Set SMSFLOW_PARTITIONS to what is "
        "there, or, on a topic nobody needs any more, delete it and apply again."
    )


def _led(metadata: ClusterMetadata, name: str, partitions: int) -> bool:
    topic = metadata.topics.get(name)
    return (
        topic is not None
        and len(topic.partitions) == partitions
        and all(part.leader >= 0 for part in topic.partitions.values())
    )


def _result(name: str, future: Future[Any], fine: int | None = None) -> Any:
    """The answer for one topic. Raises AdminError unless the error is ``fine``."""
    try:
        return future.result(TIMEOUT)
    except KafkaException as error:
        if error.args[0].code() == fine:
            return None
        raise AdminError(f"{name}: {error.args[0].str()}") from error
    except TimeoutError as error:
        raise AdminError(f"{name}: no answer within {TIMEOUT:g} s") from error
