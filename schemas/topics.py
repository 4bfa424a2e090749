"""The registry of topics: the only place where a topic's name is written.

Two key spaces (see docs/architecture.md): *person* topics are keyed by the recipient's number in E.164, *sender*
topics by the sender's id. All topics of one key space have the same number of partitions, so that one worker owns
the same people (or senders) in each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from schemas import records
from schemas.enums import Lane

CleanupPolicy = Literal["delete", "compact"]

DAY_MS = 86_400_000
PARTITIONS = 12
"""Partitions of a key space where nothing else is configured: twelve divides by 2, 3, 4 and 6 workers."""


class KeySpace(StrEnum):
    """What a topic's key names."""

    PERSON = "person"
    SENDER = "sender"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its name, its key, the record on it, and how Kafka retains it.

    Attributes:
        name: The topic's name at the broker.
        key: What the topic's key names; topics of one key space have the same number of partitions.
        record: The type of the topic's values.
        partitions: How many partitions the topic has.
        retention_ms: How long the broker retains a record, milliseconds; None for ever.
        cleanup_policy: The broker's ``cleanup.policy``.
        config: Further settings of the topic at the broker.
        dead_letter: Name of the topic for records that cannot be handled; None where nothing reads the topic.
        key_format: How a key is written where ``key`` does not say it, for the documents.
    """

    name: str
    key: KeySpace
    record: type[records.Record]
    partitions: int = PARTITIONS
    retention_ms: int | None = 7 * DAY_MS
    cleanup_policy: CleanupPolicy = "delete"
    config: Mapping[str, str] = field(default_factory=dict)
    dead_letter: str | None = None
    key_format: str | None = None


def _topic(
    name: str, key: KeySpace, record: type[records.Record], retention_days: int = 7, key_format: str | None = None
) -> Topic:
    return Topic(
        name, key, record, retention_ms=retention_days * DAY_MS, dead_letter=f"{name}-dlq", key_format=key_format
    )


_ANY_PARTITIONER = "person; any partitioner"

SMS_REQUESTS = _topic("sms-requests", KeySpace.PERSON, records.SendRequest, key_format=_ANY_PARTITIONER)
SMS_CONSENT = _topic(
    "sms-consent", KeySpace.PERSON, records.ConsentChange, retention_days=30, key_format=_ANY_PARTITIONER
)
SMS_INBOUND = _topic("sms-inbound", KeySpace.PERSON, records.InboundMessage)
SMS_CALLBACKS = _topic("sms-callbacks", KeySpace.PERSON, records.TwilioCallback)
SMS_ATTEMPTS = _topic("sms-attempts", KeySpace.PERSON, records.AttemptResult)
SMS_LIST_ENTRIES = _topic("sms-list-entries", KeySpace.PERSON, records.ListEntry)

SMS_DISPATCH_URGENT = _topic("sms-dispatch-urgent", KeySpace.SENDER, records.Dispatch)
SMS_DISPATCH_NORMAL = _topic("sms-dispatch-normal", KeySpace.SENDER, records.Dispatch)
SMS_DISPATCH_BULK = _topic("sms-dispatch-bulk", KeySpace.SENDER, records.Dispatch)

SMS_SENT = _topic("sms-sent", KeySpace.PERSON, records.Sent, retention_days=30)
SMS_STATUS = _topic("sms-status", KeySpace.PERSON, records.StatusChanged, retention_days=30)
SMS_FAILED = _topic("sms-failed", KeySpace.PERSON, records.Failed)
SMS_PRICE = _topic("sms-price", KeySpace.PERSON, records.Price, retention_days=30)

SMS_REVOCATIONS = Topic(
    "sms-revocations",
    KeySpace.REFERENCE,
    records.Revocation,
    partitions=1,
    retention_ms=None,
    cleanup_policy="compact",
    config={"min.cleanable.dirty.ratio": "0.1"},
    key_format="person and scope, `+12125550123|all`",
)

LANES: Mapping[Lane, Topic] = {
    Lane.URGENT: SMS_DISPATCH_URGENT,
    Lane.NORMAL: SMS_DISPATCH_NORMAL,
    Lane.BULK: SMS_DISPATCH_BULK,
}
PERSON_INPUTS = (SMS_REQUESTS, SMS_CONSENT, SMS_INBOUND, SMS_CALLBACKS, SMS_ATTEMPTS, SMS_LIST_ENTRIES)
SENDER_INPUTS = tuple(LANES.values())
PUBLIC = (SMS_SENT, SMS_STATUS, SMS_FAILED, SMS_PRICE)


def _dead_letter_of(topic: Topic) -> Topic:
    assert topic.dead_letter is not None
    return Topic(topic.dead_letter, topic.key, records.DeadLetter, retention_ms=30 * DAY_MS)


_LIVE = (*PERSON_INPUTS, *SENDER_INPUTS, *PUBLIC)
DEAD_LETTERS = tuple(_dead_letter_of(topic) for topic in _LIVE)
REGISTRY: tuple[Topic, ...] = (*_LIVE, SMS_REVOCATIONS, *DEAD_LETTERS)
BY_NAME: Mapping[str, Topic] = {topic.name: topic for topic in REGISTRY}


def registry(partitions: int = PARTITIONS) -> tuple[Topic, ...]:
    """The registry with another number of partitions for both key spaces (reference topics keep theirs)."""
    return tuple(
        topic if topic.key is KeySpace.REFERENCE else replace(topic, partitions=partitions) for topic in REGISTRY
    )
