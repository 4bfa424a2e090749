"""What the person stage works with, and the one way in which it saves and publishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from processors.core.person.decision import Decision, PersonInput, PersonState, SourceOffset
from processors.core.policy import Policy
from processors.person.tables import PersonChanges, PersonTables
from processors.streaming.fence import Fence
from processors.streaming.ordered_acks import OrderedAcks, PartitionLost
from schemas.codec import Codec, EncodedRecord
from schemas.ports import Clock, Publisher

Decide = Callable[[PersonInput, PersonState, SourceOffset, Policy, datetime], Decision]


@dataclass(frozen=True, slots=True)
class PersonDeps:
    """``publisher`` makes the publisher at its first use, on the worker's event loop."""

    tables: PersonTables
    acks: OrderedAcks
    fence: Fence
    policy: Policy
    codec: Codec
    publisher: Callable[[], Publisher]
    clock: Clock
    partitions: int
    decide: Decide


def encode(parts: PersonDeps, decision: Decision) -> list[EncodedRecord]:
    """What a decision says, as bytes. Raises EncodeError."""
    return [parts.codec.wire(said.topic, said.key, said.record) for said in decision.records]


async def ensure_owned(parts: PersonDeps, message: Any) -> None:
    """Return while the partition is ours. Raises PartitionLost when it is not: the new owner does it."""
    if not parts.fence.owns(message) and not await parts.fence.wait_until_owned(message):
        raise PartitionLost(str(message.tp))


async def save_and_publish(parts: PersonDeps, message: Any, changes: PersonChanges, said: list[EncodedRecord]) -> None:
    """Save durably, then publish; return when all of it is delivered.

    Raises PartitionLost where the new owner does it, or says what was saved; ChangelogWriteFailed and PublishError when
    something may be missing.
    """
    await ensure_owned(parts, message)
    await parts.tables.save(changes)
    await ensure_owned(parts, message)  # said late, it would stand behind what the new owner said since
    await parts.publisher().publish(said)
