"""What the person stage works with: the ports its caller provides, and the parts the app adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from processors.core.person.decide import decide
from processors.core.person.decision import Decision, PersonInput, PersonState, SourceOffset
from processors.core.policy import Policy
from processors.person.tables import PersonTables
from processors.streaming.ordered_acks import OrderedAcks
from processors.streaming.ownership import Ownership
from schemas.codec import Codec
from schemas.ports import Clock, Publisher

Decide = Callable[[PersonInput, PersonState, SourceOffset, Policy, datetime], Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPorts:
    """What the caller of ``create_person_app`` provides.

    Args:
        publisher: Publishes to Kafka, placing a key where ``processors.streaming.partitioner`` does.
        clock: The time.
        policy: What the rules look up.
        codec: Encodes and decodes records and table values.
        decide: The stage's core. Tests pass a smaller one.
    """

    publisher: Publisher
    clock: Clock
    policy: Policy
    codec: Codec
    decide: Decide = decide


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDeps:
    """What the parts of the stage share.

    Args:
        ports: What the app's caller provides.
        tables: The stage's tables.
        acks: Orders steps and acknowledgements.
        fence: Whether this worker owns a partition.
        partitions: How many partitions each topic has.
    """

    ports: PersonPorts
    tables: PersonTables
    acks: OrderedAcks
    fence: Ownership
    partitions: int
