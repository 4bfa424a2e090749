"""Topics for one test each, and records to put on them."""

from __future__ import annotations

import uuid

from confluent_kafka.admin import AdminClient, NewTopic

from schemas.codec import EncodedRecord


def fresh_topic(bootstrap: str, partitions: int = 3, **config: str) -> str:
    """A new topic under a name nobody else has."""
    name = f"t-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    settings = {key.replace("_", "."): value for key, value in config.items()}
    admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result()
    return name


def numbered(topic: str, count: int, key: str = "k") -> list[EncodedRecord]:
    """``count`` records under keys k0, k1, … with their number as value."""
    return [EncodedRecord(topic, f"{key}{number}".encode(), str(number).encode()) for number in range(count)]
