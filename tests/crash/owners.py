"""Which worker owned which partition when, as the broker recorded it for each generation of a group."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.protocol.struct import Struct
from aiokafka.protocol.types import Array, Bytes, Int16, Int32, Int64, Schema, String
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from connectors.kafka.records import consumed_record

_OFFSETS = "__consumer_offsets"
_TEXT = String("utf-8")
_GROUP_KEY = 2  # 0 and 1 are offsets
_QUIET_S = 0.2


class _Key(Struct):  # type: ignore[misc]  # aiokafka is untyped here
    SCHEMA = Schema(("version", Int16), ("group", _TEXT))


class _Generation(Struct):  # type: ignore[misc]  # as above
    """The broker's record of a generation, version 3.

    Source: Apache Kafka, GroupMetadataValue.json
    """

    SCHEMA = Schema(
        ("version", Int16),
        ("protocol_type", _TEXT),
        ("generation", Int32),
        ("protocol", _TEXT),
        ("leader", _TEXT),
        ("changed_ms", Int64),
        (
            "members",
            Array(
                ("member_id", _TEXT),
                ("instance_id", _TEXT),
                ("client_id", _TEXT),
                ("client_host", _TEXT),
                ("rebalance_timeout_ms", Int32),
                ("session_timeout_ms", Int32),
                ("subscription", Bytes),
                ("assignment", Bytes),
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class Generation:
    """The instance id that owns each partition of the topic, from ``since``, which is before any member knows it.

    ``members``: the instance ids; one may own nothing where others have enough room for all.
    """

    since: datetime
    number: int
    members: frozenset[str]
    owners: dict[int, str]


NOBODY = Generation(datetime.min.replace(tzinfo=UTC), 0, frozenset(), {})


class Owners:
    """The generations of one group, with the partitions of one topic."""

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._group = group
        self._topic = topic
        self.generations: list[Generation] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "crash-owners",  # demanded by the client; never joined
                "enable.auto.commit": False,
                "log_level": 0,
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 500,
            }
        )
        partitions = self._consumer.list_topics(_OFFSETS, timeout=10).topics[_OFFSETS].partitions
        self._consumer.assign([TopicPartition(_OFFSETS, number, OFFSET_BEGINNING) for number in partitions])

    def close(self) -> None:
        self._consumer.close()

    def read(self) -> None:
        """Read until no record comes for 0.2 s."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _QUIET_S:
            for message in self._consumer.consume(500, timeout=0.05):
                if message.error() is None:
                    quiet_since = time.monotonic()
                    self._take(consumed_record(message))

    def now(self) -> Generation:
        """Read, and return the newest generation; before the first one, a generation without members."""
        self.read()
        return self.generations[-1] if self.generations else NOBODY

    def owner(self, partition: int, at: datetime) -> str | None:
        """The instance id that owned the partition at a time, or None."""
        known = [one for one in self.generations if one.since <= at]
        return known[-1].owners.get(partition) if known else None

    def _take(self, found: Any) -> None:
        if found.value is None or int.from_bytes(found.key[:2], "big") != _GROUP_KEY:
            return
        if _Key.decode(found.key).group == self._group:
            generation = _Generation.decode(found.value)
            members = frozenset(member[1] for member in generation.members)
            self.generations.append(
                Generation(found.timestamp, generation.generation, members, dict(self._assigned(generation)))
            )

    def _assigned(self, generation: Any) -> Iterator[tuple[int, str]]:
        for _, instance_id, *_, assignment in generation.members:
            for topic, partitions in ConsumerProtocolMemberAssignment.decode(assignment).assignment:
                if topic == self._topic:
                    yield from ((partition, instance_id) for partition in partitions)
