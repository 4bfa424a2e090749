"""Everything on the topics, read as it comes, and found by message."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from connectors.kafka.records import record_of
from processors.core.events import split_attempt_id
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.records import DeadLetter, HistoryEntry, Revocation
from schemas.topics import BY_NAME, registry
from tests.crash.system import PARTITIONS

CODEC = Codec()
_QUIET_S = 0.3


@dataclass(frozen=True, slots=True)
class Seen:
    """One record. ``at``: when the broker got it, to the producer's clock, which is this machine's."""

    topic: str
    partition: int
    offset: int
    at: datetime
    record: Any

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset} {self.record}"


class Log:
    """Reads all topics of the registry from their beginning on."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "crash-log",  # demanded by the client; never joined
                "enable.auto.commit": False,
                "log_level": 0,
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 500,
            }
        )
        self._consumer.assign(
            [
                TopicPartition(topic.name, partition, OFFSET_BEGINNING)
                for topic in registry(PARTITIONS)
                for partition in range(topic.partitions)
            ]
        )
        self.of_message: dict[str, list[Seen]] = defaultdict(list)
        self.revocations: list[Seen] = []
        self.dead_letters: list[Seen] = []
        self._message_of_sid: dict[str, str] = {}

    def close(self) -> None:
        self._consumer.close()

    def read(self) -> None:
        """Read on until nothing comes for a moment."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _QUIET_S:
            for message in self._consumer.consume(2000, timeout=0.05):
                if message.error() is None:
                    self._take(record_of(message))
                    quiet_since = time.monotonic()

    def _take(self, found: Any) -> None:
        try:
            record = CODEC.decode(BY_NAME[found.topic].record, found.value)
        except DecodeError:
            return  # the garbage of our own load
        seen = Seen(found.topic, found.partition, found.offset, found.timestamp, record)
        if isinstance(record, DeadLetter):
            self.dead_letters.append(seen)
        elif isinstance(record, Revocation):
            self.revocations.append(seen)
        else:
            self._file(seen)

    def _file(self, seen: Seen) -> None:
        record = seen.record
        sid = getattr(record, "sid", None)
        if sid is not None:
            self._message_of_sid[sid] = record.message_id
        message_id = getattr(record, "message_id", None)
        if isinstance(record, HistoryEntry):
            message_id = self._message_of_sid.get(record.message_sid)
        elif message_id is None:
            message_id = message_of(getattr(record, "attempt_id", None))
        if message_id is not None:
            self.of_message[message_id].append(seen)


def message_of(attempt_id: str | None) -> str | None:
    """The message of an attempt's id."""
    named = split_attempt_id(attempt_id or "")
    return named[0] if named else None


def attempt_of(row: dict[str, Any]) -> str | None:
    """The attempt that a row of the twin's ledger came from: it stands in the callback's URL, which the twin keeps."""
    return parse_qs(urlsplit(row["callback_url"] or "").query).get("attempt_id", [None])[0]


def moment(text: str) -> datetime:
    """A time of the ledger."""
    return datetime.fromisoformat(text).astimezone(UTC)
