"""Topics at a real broker against a registry."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from connectors.kafka.admin import Drift, DriftKind, KafkaAdmin
from connectors.kafka.errors import AdminError, TopicDrift
from schemas import topics
from schemas.records import Sent
from schemas.topics import KeySpace, Topic
from tests.conftest import KafkaServer

pytestmark = pytest.mark.kafka


@pytest.fixture
def admin(kafka: KafkaServer) -> KafkaAdmin:
    return KafkaAdmin(kafka.bootstrap)


@pytest.fixture
def topic() -> Topic:
    """One that does not exist yet."""
    return Topic(f"t-{uuid.uuid4().hex}", KeySpace.PERSON, Sent, partitions=3, retention_ms=86_400_000)


def test_a_missing_topic_is_planned_then_created_then_right(admin: KafkaAdmin, topic: Topic) -> None:
    missing = Drift(topic.name, DriftKind.MISSING, "topic", None, "3")
    assert admin.plan([topic], replication=1) == [missing]
    assert topic.name not in admin.partition_counts()

    assert admin.apply([topic], replication=1) == [missing]

    assert admin.partition_counts()[topic.name] == 3
    assert admin.plan([topic], replication=1) == []
    assert admin.apply([topic], replication=1) == []


def test_a_setting_that_differs_is_named_and_put_right(admin: KafkaAdmin, topic: Topic) -> None:
    admin.apply([topic], replication=1)
    changed = replace(topic, retention_ms=1000, cleanup_policy="compact", config={"segment.ms": "3600000"})

    found = admin.plan([changed], replication=1)

    assert [(drift.setting, drift.found, drift.wanted) for drift in found] == [
        ("cleanup.policy", "delete", "compact"),
        ("segment.ms", "604800000", "3600000"),
        ("retention.ms", "86400000", "1000"),
    ]
    assert admin.apply([changed], replication=1) == found
    assert admin.plan([changed], replication=1) == []


def test_a_setting_nobody_asked_for_is_kept(admin: KafkaAdmin, topic: Topic) -> None:
    admin.apply([replace(topic, config={"max.message.bytes": "50000"})], replication=1)
    admin.apply([replace(topic, retention_ms=1000)], replication=1)
    assert admin.plan([replace(topic, retention_ms=1000, config={"max.message.bytes": "50000"})], replication=1) == []


def test_another_partition_count_is_refused_before_anything_changes(admin: KafkaAdmin, topic: Topic) -> None:
    admin.apply([topic], replication=1)
    other = replace(topic, name=f"{topic.name}-other")

    with pytest.raises(TopicDrift, match=rf"{topic.name}: partitions is 3, wanted 5(?s:.*)SMSFLOW_PARTITIONS"):
        admin.apply([other, replace(topic, partitions=5)], replication=1)

    assert other.name not in admin.partition_counts()
    assert admin.partition_counts()[topic.name] == 3


def test_the_whole_registry_can_be_applied(admin: KafkaAdmin) -> None:
    prefix = uuid.uuid4().hex
    registry = [replace(topic, name=f"{prefix}-{topic.name}") for topic in topics.registry(partitions=2)]
    admin.apply(registry, replication=1)
    assert admin.plan(registry, replication=1) == []


def test_an_impossible_topic_is_named(admin: KafkaAdmin, topic: Topic) -> None:
    with pytest.raises(AdminError, match=rf"{topic.name}.*[Rr]eplication"):
        admin.apply([topic], replication=7)
    with pytest.raises(AdminError, match=topic.name):
        admin.apply([replace(topic, config={"no.such.setting": "1"})], replication=1)


def test_a_broker_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.kafka.admin.TIMEOUT", 0.2)
    with pytest.raises(AdminError, match=r"127\.0\.0\.1:1 does not answer"):
        KafkaAdmin("127.0.0.1:1").partition_counts()
