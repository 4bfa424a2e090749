"""What the person stage works with, and the one way in which it saves and publishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from processors.acks import OrderedAcks, PartitionLost
from processors.core.decision import Decision, Origin, Person, PersonInput
from processors.core.policy import Policy
from processors.fence import Fence
from processors.person.tables import PersonChanges, PersonTables
from processors.ports import Clock, Publisher
from schemas.codec import Codec, Wire

Decide = Callable[[PersonInput, Person, Origin, Policy, datetime], Decision]


@dataclass(frozen=True, slots=True)
class Parts:
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


def wires(parts: Parts, decision: Decision) -> list[Wire]:
    """What a decision says, as bytes. Raises EncodeError."""
    return [parts.codec.wire(said.topic, said.key, said.record) for said in decision.records]


async def hold(parts: Parts, message: Any) -> None:
    """Return while the partition is ours. Raises PartitionLost when it is not: the new owner does it."""
    if not parts.fence.holds(message) and not await parts.fence.regained(message):
        raise PartitionLost(str(message.tp))


async def keep(parts: Parts, message: Any, changes: PersonChanges, said: list[Wire]) -> None:
    """Save durably, then publish; return when all of it is delivered.

    Raises PartitionLost where the new owner does it, or says what was saved; ChangelogLost and PublishError when
    something may be missing.
    """
    await hold(parts, message)
    await parts.tables.save(changes)
    await hold(parts, message)  # said late, it would stand behind what the new owner said since
    await parts.publisher().publish(said)
