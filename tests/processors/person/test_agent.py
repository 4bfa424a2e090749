"""Where each record goes, without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.clock import ManualClock
from processors.core.person.decision import Decision, OutgoingRecord, PersonState
from processors.person.agent import REPARTITIONED, PersonAgent
from processors.person.decision_runner import DecisionRunner
from processors.person.dependencies import PersonDeps, PersonPorts
from processors.person.tables import PersonChanges
from processors.streaming.ordered_acks import OrderedAcks
from processors.streaming.partitioner import partition_of
from schemas.codec import Codec, EncodedRecord
from schemas.errors import DecodeError
from schemas.reasons import DeadLetterReason
from schemas.records import DeadLetter, Revocation
from schemas.states import ConsentRecord
from schemas.topics import SMS_REQUESTS, SMS_REVOCATIONS
from tests.processors.person.cluster import request
from tests.processors.person.worker import POLICY
from tests.processors.streaming.test_ordered_acks import settle

CODEC = Codec()
PARTITIONS = 4
REQUEST = request(1)
KEY = REQUEST.to.encode()
HOME = partition_of(KEY, PARTITIONS)
START = datetime(2026, 11, 25, 12, tzinfo=UTC)


class World:
    """Tables that hold nobody, a publisher that remembers, and what happened in which order."""

    def __init__(self) -> None:
        self.happened: list[Any] = []
        self.failures: list[BaseException | None] = []
        self.owns = True
        self.regains = True
        self.lost_while_saving = False
        self.unreadable = False
        self.let_go: list[int] = []
        self.says: tuple[OutgoingRecord, ...] = ()

    def load(self, partition: int, person: str, wanted: str | None) -> PersonState:
        if self.unreadable:
            raise DecodeError(DeadLetterReason.UNKNOWN_SCHEMA_ID, "id 99")
        return PersonState(person, ConsentRecord(person=person))

    def changes(self, old: PersonState, decision: Decision, own_entry: bytes | None = None) -> PersonChanges:
        return PersonChanges({}, {}, {})

    async def save(self, changes: PersonChanges) -> None:
        self.happened.append("saved")
        if self.lost_while_saving:
            self.owns = self.regains = False

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        self.happened += records

    def ack(self) -> None:
        self.happened.append("acked")

    async def handle(self, value: bytes | None, partition: int = HOME, headers: dict[str, bytes] | None = None) -> None:
        fence = SimpleNamespace(owns=lambda _: self.owns, wait_until_owned=self._wait_until_owned)
        ports = PersonPorts(
            publisher=self,
            clock=ManualClock(),
            policy=POLICY,
            codec=CODEC,
            decide=lambda *_: Decision(records=self.says),
        )
        deps = PersonDeps(
            ports=ports,
            tables=self,  # type: ignore[arg-type]  # what the stage uses of them
            acks=OrderedAcks(10, 10, lambda _, error: self.failures.append(error)),
            fence=fence,
            partitions=PARTITIONS,
        )
        message = SimpleNamespace(
            topic=SMS_REQUESTS.name,
            partition=partition,
            offset=7,
            key=b"theirs",
            value=value,
            headers=list((headers or {}).items()),
            tp=(SMS_REQUESTS.name, partition),
            generation_id=1,
        )
        consumer = SimpleNamespace(stop_waiting_for=lambda message: self.let_go.append(message.offset))
        app = SimpleNamespace(consumer_generation_id=1, consumer=consumer)
        event: Any = SimpleNamespace(app=app, key=message.key, message=message, headers=headers or {}, ack=self.ack)
        await PersonAgent(deps, DecisionRunner(deps)).accept(event)
        await settle()

    async def _wait_until_owned(self, message: Any) -> bool:
        return self.regains

    def letter(self) -> DeadLetter:
        (wire, acked) = self.happened
        assert acked == "acked"
        assert wire.topic == SMS_REQUESTS.dead_letter
        return CODEC.decode(DeadLetter, wire.value)


@pytest.fixture
def world() -> World:
    return World()


async def test_save_publish_acknowledge_in_that_order(world: World) -> None:
    await world.handle(CODEC.encode(REQUEST))

    assert world.happened == ["saved", "acked"]


async def test_a_record_in_a_foreign_partition_is_put_back_under_its_persons_key(world: World) -> None:
    value = CODEC.encode(REQUEST)
    await world.handle(value, partition=HOME ^ 1, headers={"trace": b"1"})

    assert world.happened == [
        EncodedRecord(SMS_REQUESTS.name, KEY, value, (("trace", b"1"), (REPARTITIONED, b"1"))),
        "acked",
    ]


async def test_a_record_that_comes_back_wrong_again_goes_to_the_dead_letter(world: World) -> None:
    """A producer with another partitioner would send it round and round."""
    await world.handle(CODEC.encode(REQUEST), partition=HOME ^ 1, headers={REPARTITIONED: b"1"})

    assert world.letter().reason == "misrouted"


async def test_an_unreadable_state_does_not_stop_the_stream(world: World) -> None:
    world.unreadable = True
    await world.handle(CODEC.encode(REQUEST))

    assert world.letter().reason == "unreadable_state"


@pytest.mark.parametrize("person", ["+1212\0", "__faust"])
async def test_a_person_that_cannot_be_a_key_goes_to_the_dead_letter(world: World, person: str) -> None:
    """Faust keeps an offset under a key of its own in every table."""
    await world.handle(CODEC.encode(replace(REQUEST, to=person)))

    assert world.letter().reason == "bad_person"


async def test_a_late_heartbeat_delays_the_save(world: World) -> None:
    world.owns = False
    await world.handle(CODEC.encode(REQUEST))

    assert world.happened == ["saved", "acked"]


async def test_what_was_saved_is_not_said_by_who_lost_the_partition_meanwhile(world: World) -> None:
    """The new owner finds it in the state and says it; said later still, it would undo what was said since."""
    revocation = Revocation(person=REQUEST.to, scope="all", revoked=True, source_id="SM1", occurred_at=START)
    world.says = (OutgoingRecord(SMS_REVOCATIONS, REQUEST.to, revocation),)
    await world.handle(CODEC.encode(REQUEST))
    assert [getattr(one, "topic", one) for one in world.happened] == ["saved", SMS_REVOCATIONS.name, "acked"]
    world.happened.clear()

    world.lost_while_saving = True
    await world.handle(CODEC.encode(REQUEST))

    assert (world.happened, world.let_go) == (["saved"], [7])


async def test_on_a_lost_partition_nothing_is_saved_published_or_acknowledged(world: World) -> None:
    world.owns = world.regains = False
    await world.handle(CODEC.encode(REQUEST))

    assert world.happened == []
    assert world.failures == []
