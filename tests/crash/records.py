"""Reads every record of all topics, and finds them by message."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from connectors.kafka.records import consumed_record
from processors.core.person.attempt_ids import split_attempt_id
from processors.person.app import person_topics
from processors.sender.app import sender_topics
from processors.sender.tables import INTENTS
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.records import ConsentChange, DeadLetter, InboundMessage, ListEntry, Revocation
from schemas.states import ConsentRecord, MessageState, SenderAttempt
from schemas.topics import Topic
from tests.crash.tuning import PARTITIONS

CODEC = Codec()
TOPICS: dict[str, Topic] = {topic.name: topic for topic in (*person_topics(PARTITIONS), *sender_topics(PARTITIONS))}
"""All topics, including the tables' changelogs."""
TABLES = (MessageState, ConsentRecord, SenderAttempt)
"""The states that are read from changelogs."""
CLOCK_TOLERANCE = timedelta(seconds=1)
"""More than the clocks of two processes on one machine differ, less than any pause lasts."""
_QUIET_S = 0.3


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """One record of a topic. ``at``: its timestamp, by the producer's clock, which is this machine's."""

    topic: str
    partition: int
    offset: int
    at: datetime
    record: Any

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset} {self.record}"


class TopicLog:
    """Reads all topics from their beginning.

    ``of_message`` has the records of each message, ``states`` its newest state, ``consents`` the newest consent of
    each person. ``intents`` has every intent of each attempt that was ever written, also by a worker that no longer
    owned the partition. ``late_writes`` are changelog records with an older timestamp than a record before them: one
    owner's records are in the order of their timestamps, so the partition had another owner by then. ``heard_from``
    are people whose text or consent change is on a topic.
    """

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
                for topic in TOPICS.values()
                for partition in range(topic.partitions)
            ]
        )
        self.of_message: dict[str, list[ReadRecord]] = defaultdict(list)
        self.revocations: list[ReadRecord] = []
        self.dead_letters: list[ReadRecord] = []
        self.states: dict[str, MessageState] = {}
        self.consents: dict[str, ConsentRecord] = {}
        self.intents: dict[str, list[SenderAttempt]] = defaultdict(list)
        self.heard_from: set[str] = set()
        self.late_writes: list[str] = []
        self._newest: dict[tuple[str, int], datetime] = {}
        self._message_of_sid: dict[str, str] = {}

    def close(self) -> None:
        self._consumer.close()

    def read(self) -> None:
        """Read until no record comes for 0.3 s."""
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < _QUIET_S:
            for message in self._consumer.consume(2000, timeout=0.05):
                if message.error() is None:
                    self._take(consumed_record(message))
                    quiet_since = time.monotonic()

    def _take(self, found: Any) -> None:
        kind = TOPICS[found.topic].record
        if found.topic.endswith("-changelog"):
            self._take_state(found, kind)
            return
        try:
            record = CODEC.decode(kind, found.value)
        except DecodeError:
            return  # the garbage of our own load
        seen = ReadRecord(found.topic, found.partition, found.offset, found.timestamp, record)
        if isinstance(record, DeadLetter):
            self.dead_letters.append(seen)
        elif isinstance(record, Revocation):
            self.revocations.append(seen)
        elif isinstance(record, InboundMessage | ConsentChange):
            self.heard_from.add(record.person)
        else:
            self._file(seen)

    def _take_state(self, found: Any, kind: type) -> None:
        """Take one write of a table. Deletions are ignored: no message, person or intent is deleted during a test."""
        newest = self._newest.setdefault((found.topic, found.partition), found.timestamp)
        self._newest[found.topic, found.partition] = max(newest, found.timestamp)
        if found.timestamp < newest - CLOCK_TOLERANCE:
            where = f"{found.topic}/{found.partition}@{found.offset}"
            self.late_writes.append(f"{where} of {found.timestamp} comes after one of {newest}: {found.key!r}")
        if found.value is None or kind not in TABLES:
            return
        state: Any = CODEC.decode(kind, found.value)
        if isinstance(state, MessageState):
            self.states[state.message_id] = state
        elif isinstance(state, ConsentRecord):
            self.consents[state.person] = state
        elif found.key.startswith(INTENTS):
            self.intents[state.attempt_id].append(state)

    def _file(self, seen: ReadRecord) -> None:
        record = seen.record
        sid = getattr(record, "sid", None)
        if sid is not None:
            self._message_of_sid[sid] = record.message_id
        message_id = getattr(record, "message_id", None)
        if isinstance(record, ListEntry):
            message_id = self._message_of_sid.get(record.message_sid)
        elif message_id is None:
            message_id = message_of(getattr(record, "attempt_id", None))
        if message_id is not None:
            self.of_message[message_id].append(seen)


def message_of(attempt_id: str | None) -> str | None:
    """The message id in an attempt id, or None."""
    named = split_attempt_id(attempt_id or "")
    return named[0] if named else None


def attempt_of(row: dict[str, Any]) -> str | None:
    """The attempt that a row of the simulator's ledger came from, as the callback's URL names it."""
    return parse_qs(urlsplit(row["callback_url"] or "").query).get("attempt_id", [None])[0]


def parse_time(text: str) -> datetime:
    """A time in the ledger, as UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
