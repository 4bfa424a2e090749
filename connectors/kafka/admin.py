"""Compares the topics of the registry with those at the broker, creates missing ones and corrects their settings.

Partition counts are never changed: a key would move to another partition, away from its state and its order.
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
"""Seconds that the broker may take for one request."""


class DriftKind(StrEnum):
    """How a topic at the broker differs from the registry."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between a topic at the broker and the registry.

    Attributes:
        topic: The topic's name.
        kind: What differs.
        setting: The topic setting that differs, ``partitions``, or ``topic`` where the topic is missing.
        found: The value at the broker; None where the topic is missing.
        wanted: The registry's value.
    """

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
    """Topic administration at one cluster."""

    def __init__(self, cluster: ClusterLike) -> None:
        self._cluster = as_cluster(cluster)
        self._last_error = LastError()
        options = {"log_level": 0, "error_cb": self._last_error}
        self._client = AdminClient(self._cluster.librdkafka() | options)

    def partition_counts(self) -> Mapping[str, int]:
        """The number of partitions of every topic at the broker, by topic name.

        Raises:
            AdminError: The broker does not answer.
        """
        return {name: len(topic.partitions) for name, topic in self._metadata().topics.items()}

    def plan(self, topics: Iterable[Topic], replication: int) -> list[Drift]:
        """The differences between these topics and the broker's; changes nothing.

        Args:
            topics: The topics as they should be.
            replication: The number of replicas that each should have.

        Raises:
            AdminError: The broker refuses or does not answer.
        """
        wanted = list(topics)
        counts = self.partition_counts()
        configs = self._configs([topic.name for topic in wanted if topic.name in counts])
        return [drift for topic in wanted for drift in _drifts(topic, replication, counts, configs)]

    def apply(self, topics: Iterable[Topic], replication: int) -> list[Drift]:
        """Create missing topics, correct settings that differ, and wait until new topics can be used.

        Args:
            topics: The topics as they should be.
            replication: The number of replicas that each should have.

        Returns:
            The differences that were corrected.

        Raises:
            TopicDrift: A topic has another number of partitions; nothing was changed.
            AdminError: The broker refuses or does not answer; some topics may be changed.
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
            self._client.poll(0)  # runs error_cb
            why = self._last_error.explain(error.args[0].str())
            raise AdminError(f"{self._cluster} does not answer: {why}") from error

    def _configs(self, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        if not names:
            return {}
        futures = self._client.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
        configs = {resource.name: _result(resource.name, future) for resource, future in futures.items()}
        return {name: {entry.name: entry.value for entry in config.values()} for name, config in configs.items()}

    def _create(self, topics: Sequence[Topic], replication: int) -> None:
        if not topics:
            return
        new_topics = [
            NewTopic(topic.name, topic.partitions, replication, config=dict(_wanted_config(topic, replication)))
            for topic in topics
        ]
        for name, future in self._client.create_topics(new_topics, request_timeout=TIMEOUT).items():
            # Another process may apply the same registry at the same time.
            _result(name, future, ignored_error=KafkaError.TOPIC_ALREADY_EXISTS)

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
        """Wait until every partition of these topics has a leader; before that, clients get errors."""
        deadline = time.monotonic() + TIMEOUT
        while waiting := [name for name, count in topics.items() if not _has_leaders(self._metadata(), name, count)]:
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
    """The topic's settings at the broker.

    An acknowledged record is on all replicas but one, so that one replica may be down without stopping writes.
    """
    config = {
        "cleanup.policy": topic.cleanup_policy,
        "min.insync.replicas": str(max(1, replication - 1)),
        **topic.config,
    }
    if topic.retention_ms is not None:
        config["retention.ms"] = str(topic.retention_ms)
    return config


def _refuse_other_partitions(drifts: Sequence[Drift]) -> None:
    refused = [drift for drift in drifts if drift.kind is DriftKind.PARTITIONS]
    if not refused:
        return
    lines = "\n".join(f"  {drift}" for drift in refused)
    raise TopicDrift(
        f"partition counts differ from the registry:\n{lines}\n"
        "They are not changed: every key would move away from its state. Set SMSFLOW_PARTITIONS to the number of "
        "partitions found. Or, if the topic's records are not needed, delete the topic and apply again."
    )


def _has_leaders(metadata: ClusterMetadata, name: str, partitions: int) -> bool:
    topic = metadata.topics.get(name)
    return (
        topic is not None
        and len(topic.partitions) == partitions
        and all(partition.leader >= 0 for partition in topic.partitions.values())
    )


def _result(name: str, future: Future[Any], ignored_error: int | None = None) -> Any:
    """The broker's answer about one topic; None for the ignored error."""
    try:
        return future.result(TIMEOUT)
    except KafkaException as error:
        if error.args[0].code() == ignored_error:
            return None
        raise AdminError(f"{name}: {error.args[0].str()}") from error
    except TimeoutError as error:
        raise AdminError(f"{name}: no answer within {TIMEOUT:g} s") from error
