"""A person stage without Kafka: its real code over doubles that record what happens, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from connectors.clock import ManualClock
from processors.core.person.decision import Decision, OutgoingRecord, PersonInput, PersonState, WakeUp
from processors.person.agent import PersonAgent
from processors.person.decision_runner import DecisionRunner
from processors.person.dependencies import PersonDeps, PersonPorts
from processors.person.housekeeping import PersonHousekeeper
from processors.person.tables import DueWakeUp, PersonChanges
from processors.person.wakeups import WakeUpRunner
from processors.streaming.ordered_acks import OrderedAcks
from processors.streaming.partitioner import partition_of
from processors.streaming.ticker import NO_OFFSET
from schemas.codec import Codec, EncodedRecord
from schemas.errors import DecodeError
from schemas.reasons import DeadLetterReason
from schemas.records import DeadLetter
from schemas.states import ConsentRecord, MessageState
from schemas.topics import SMS_REQUESTS
from tests.builders import NOW, policy
from tests.processors.person.cluster import request
from tests.processors.streaming.test_ordered_acks import settle

CODEC = Codec()
PARTITIONS = 4
REQUEST = request(1)
KEY = REQUEST.to.encode()
HOME = partition_of(KEY, PARTITIONS)


class World:
    """Tables, a publisher, a fence and a core in one. ``happened`` has what was done, in order."""

    def __init__(self) -> None:
        self.happened: list[Any] = []
        self.failures: list[BaseException | None] = []
        self.owns = True
        self.regains = True
        self.lost_while_saving = False
        self.unreadable = False
        self.undecidable = False
        self.dropped_offsets: list[int] = []
        self.outgoing: tuple[OutgoingRecord, ...] = ()
        self.clock = ManualClock(NOW)
        self.schedule_entries: list[DueWakeUp] = []
        self.messages: list[MessageState] = []
        fence = SimpleNamespace(owns=lambda _: self.owns, wait_until_owned=self._wait_until_owned)
        ports = PersonPorts(publisher=self, clock=self.clock, policy=policy(), codec=CODEC, decide=self._decide)
        deps = PersonDeps(
            ports=ports,
            tables=self,  # type: ignore[arg-type]  # what the stage uses of them
            acks=OrderedAcks(10, 10, lambda _, error: self.failures.append(error)),
            fence=fence,
            partitions=PARTITIONS,
        )
        decisions = DecisionRunner(deps)
        self.agent = PersonAgent(deps, decisions)
        self.housekeeper = PersonHousekeeper(deps)
        self.wake_ups = WakeUpRunner(deps, decisions, self.housekeeper)

    # what tests do

    async def handle(self, value: bytes | None, partition: int = HOME, headers: dict[str, bytes] | None = None) -> None:
        """Let a record be read from sms-requests, and everything settle."""
        await self.agent.accept(self.event(value, partition, headers or {}, offset=7))
        await settle()

    async def tick(self) -> None:
        """Let a tick of the person's partition come."""
        await self.wake_ups.tick(self.event(None, HOME, {}, NO_OFFSET))

    def dead_letter(self) -> DeadLetter:
        """The dead letter that was published before the acknowledgement, and nothing else happened."""
        (record, acked) = self.happened
        assert acked == "acked"
        assert record.topic == SMS_REQUESTS.dead_letter
        return CODEC.decode(DeadLetter, record.value)

    def event(self, value: bytes | None, partition: int, headers: dict[str, bytes], offset: int) -> Any:
        """An event of sms-requests."""
        message = SimpleNamespace(
            topic=SMS_REQUESTS.name,
            partition=partition,
            offset=offset,
            key=b"theirs",
            value=value,
            headers=list(headers.items()),
            tp=(SMS_REQUESTS.name, partition),
            generation_id=1,
        )
        consumer = SimpleNamespace(stop_waiting_for=lambda message: self.dropped_offsets.append(message.offset))
        app = SimpleNamespace(consumer_generation_id=1, consumer=consumer)
        return SimpleNamespace(app=app, key=message.key, message=message, headers=headers, ack=self._ack)

    # the tables

    def load(self, partition: int, person: str, message_id: str | None) -> PersonState:
        if self.unreadable:
            raise DecodeError(DeadLetterReason.UNKNOWN_SCHEMA_ID, "id 99")
        known = {message.message_id: message for message in self.messages}
        return PersonState(person, ConsentRecord(person=person), known)

    def changes(self, state: PersonState, decision: Decision, own_entry: bytes | None = None) -> PersonChanges:
        return PersonChanges({}, {}, {})

    async def save(self, changes: PersonChanges) -> None:
        self.happened.append("saved")
        if self.lost_while_saving:
            self.owns = self.regains = False

    def due_wake_ups(self, partition: int, now: datetime, limit: int) -> list[DueWakeUp]:
        return self.schedule_entries[:limit]

    async def unschedule(self, due: DueWakeUp, message: MessageState | None, again_at: datetime) -> None:
        self.schedule_entries.remove(due)
        self.happened.append(("unscheduled", due.wake_up.message_id, message))

    async def postpone(self, due: DueWakeUp, until: datetime) -> None:
        self.schedule_entries.remove(due)
        self.happened.append(("postponed", due.wake_up.message_id, until))

    async def schedule(self, message: MessageState, at: datetime) -> None:
        self.happened.append(("scheduled", message.message_id, at))

    def scan_messages(self, partition: int, after: bytes, count: int) -> tuple[list[MessageState], bytes | None]:
        names = [message for message in self.messages if message.message_id.encode() > after][:count]
        return names, names[-1].message_id.encode() if names else None

    async def delete_message(self, partition: int, person: str, message_id: str, before: datetime) -> None:
        self.happened.append(("deleted", message_id))

    # the others

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        self.happened += records

    def _decide(self, record: PersonInput, *_: object) -> Decision:
        if self.undecidable:
            raise ZeroDivisionError("boom")
        if isinstance(record, WakeUp):
            self.happened.append(("woken", record.message_id))
        return Decision(records=self.outgoing)

    def _ack(self) -> None:
        self.happened.append("acked")

    async def _wait_until_owned(self, message: Any) -> bool:
        return self.regains


def due(message_id: str) -> DueWakeUp:
    """A wake-up of one of the person's messages."""
    return DueWakeUp(message_id.encode(), WakeUp(REQUEST.to, message_id))
