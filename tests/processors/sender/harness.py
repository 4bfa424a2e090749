"""A sender stage without Kafka: its real code over doubles whose durable parts survive a crash of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from connectors.clock import ManualClock
from connectors.memory import MemoryMessageList, MemoryPublisher, MemoryRevocations, MemorySender, MemoryTwilio
from processors.core.sender.dispatch_queue import DispatchQueue
from processors.sender.app import build_sender_stage
from processors.sender.dependencies import SenderDeps, SenderPorts
from processors.sender.tables import SenderTables
from processors.streaming.ordered_acks import OrderedAcks, PartitionLost
from schemas.codec import Codec, EncodedRecord
from schemas.ports import LastCheck
from schemas.records import AttemptResult, Dispatch
from schemas.topics import LANES, SMS_ATTEMPTS
from tests.builders import NOW, NUMBER, SERVICE, dispatch, policy, seconds

CODEC = Codec()


class CrashAfter:
    """Crashes a worker at its ``left``-th boundary: from there on no task of the worker passes a boundary.

    Boundaries are the points before and after every change of a table, of Twilio or of a topic.
    """

    def __init__(self, left: int | None = None) -> None:
        self._left = left

    @property
    def crashed(self) -> bool:
        return self._left is not None and self._left <= 0

    async def boundary(self) -> None:
        if self._left is not None:
            self._left -= 1
        if self.crashed:
            await asyncio.Event().wait()
        await asyncio.sleep(0)


class CrashingStore:
    """A store, as one worker reaches it."""

    def __init__(self, store: MemoryStore, crash: CrashAfter) -> None:
        self._store = store
        self._crash = crash
        self.read = store.read
        self.scan = store.scan

    async def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        await self._crash.boundary()
        await self._store.write(changes)
        await self._crash.boundary()


class CrashingPublisher:
    """Kafka as one worker reaches it."""

    def __init__(self, publisher: MemoryPublisher, crash: CrashAfter) -> None:
        self._publisher = publisher
        self._crash = crash

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        await self._crash.boundary()
        await self._publisher.publish(records)
        await self._crash.boundary()


class CrashingSender(MemorySender):
    """Twilio as one worker reaches it."""

    def __init__(self, twilio: MemoryTwilio, clock: ManualClock, crash: CrashAfter) -> None:
        super().__init__(twilio, clock)
        self._crash = crash

    async def send(self, attempt: Dispatch, last_check: LastCheck) -> AttemptResult:
        await self._crash.boundary()
        result = await super().send(attempt, last_check)
        await self._crash.boundary()
        return result


class MemoryStore:
    """One partition's table."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.writes = 0

    async def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        self.writes += 1
        for key, value in changes.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value

    def read(self, partition: int, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def scan(self, partition: int, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted((key, value) for key, value in self.rows.items() if start <= key < stop))


class MemoryFence:
    """Holds until a test says otherwise."""

    def __init__(self) -> None:
        self.lost = False
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        """A heartbeat is late."""
        self._open.clear()

    def open(self) -> None:
        """It came."""
        self._open.set()

    def lose(self) -> None:
        """The partition is another worker's."""
        self.lost = True
        self._open.set()

    def owns(self, message: Any) -> bool:
        return self._open.is_set() and not self.lost

    async def wait_until_owned(self, message: Any) -> bool:
        await self._open.wait()
        return not self.lost


@dataclass
class World:
    """What outlives a worker: tables, Twilio, Kafka, time."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    attempts: MemoryStore = field(default_factory=MemoryStore)
    throttle: MemoryStore = field(default_factory=MemoryStore)
    twilio: MemoryTwilio = field(default_factory=MemoryTwilio)
    publisher: MemoryPublisher = field(default_factory=MemoryPublisher)
    revocations: MemoryRevocations = field(default_factory=MemoryRevocations)
    fence: MemoryFence = field(default_factory=MemoryFence)
    generation: int = 0

    def answers(self) -> list[AttemptResult]:
        """What was published on sms-attempts, in order."""
        return [CODEC.decode(AttemptResult, record.value) for record in self.publisher.on(SMS_ATTEMPTS.name)]

    def outcomes(self) -> list[tuple[str, str, str | None]]:
        return [(answer.attempt_id, answer.outcome.value, answer.reason) for answer in self.answers()]

    def called(self) -> list[str]:
        """Attempts that reached Twilio, in order."""
        return [message.attempt.attempt_id for message in self.twilio.accepted]


class Worker:
    """One life of the stage. A new one over the same world is what comes after a crash."""

    def __init__(self, world: World, *, calls: int = 50, tick_s: float = 0.0, crash: CrashAfter | None = None) -> None:
        self.world = world
        self.crash = crash = crash or CrashAfter()
        world.generation += 1
        self.generation = world.generation
        consumer = SimpleNamespace(stop_waiting_for=lambda _message: None)
        self.app = SimpleNamespace(consumer_generation_id=self.generation, consumer=consumer)
        self.acked: list[int] = []
        self.failures: list[str] = []
        self.offset = -1
        self.sender = CrashingSender(world.twilio, world.clock, crash)
        ports = SenderPorts(
            sender=self.sender,
            history=MemoryMessageList(world.twilio, world.clock),
            publisher=CrashingPublisher(world.publisher, crash),
            revocations=world.revocations,
            clock=world.clock,
            policy=policy(),
            codec=CODEC,
            calls=calls,
        )
        self.stage = build_sender_stage(
            SenderDeps(
                ports=ports,
                tables=SenderTables(CrashingStore(world.attempts, crash), CrashingStore(world.throttle, crash), CODEC),
                acks=OrderedAcks(64, 256, self._fail),
                fence=world.fence,
                tick_s=tick_s,
                fail=self._fail,
                sleep=self._sleep,
            )
        )

    async def give(self, *commands: Dispatch) -> list[int]:
        """Let commands be read from their lanes, and everything settle. Returns their offsets."""
        offsets = [await self._accept(LANES[command.lane].name, CODEC.encode(command)) for command in commands]
        await settle()
        return offsets

    async def give_bytes(self, topic: str, value: bytes | None) -> int:
        offset = await self._accept(topic, value)
        await settle()
        return offset

    async def tick(self, after_s: float = 0.0) -> None:
        """Let time pass, then tick."""
        self.world.clock.advance(seconds(after_s))
        with contextlib.suppress(PartitionLost):  # as the ticker does
            await self.stage.queue_runner.tick(self._event("sms-dispatch-urgent", None, -1))
        await settle()

    def queue(self) -> DispatchQueue:
        """The dispatch queue of the worker's one partition."""
        return self.stage.queue_runner._queues.queue_of(self._event("sms-dispatch-urgent", None, -1).message)

    async def _accept(self, topic: str, value: bytes | None) -> int:
        self.offset += 1
        await self.stage.agent.accept(self._event(topic, value, self.offset))
        return self.offset

    def _event(self, topic: str, value: bytes | None, offset: int) -> Any:
        message = SimpleNamespace(
            topic=topic,
            partition=0,
            tp=(topic, 0),
            offset=offset,
            generation_id=self.generation,
            key=b"key",
            value=value,
        )
        return SimpleNamespace(app=self.app, message=message, key=b"key", value=value, ack=lambda: self._ack(offset))

    def _ack(self, offset: int) -> None:
        if not self.crash.crashed:
            self.acked.append(offset)

    def _fail(self, why: str, error: BaseException | None = None) -> None:
        self.failures.append(f"{why}: {error!r}")

    async def _sleep(self, duration_s: float) -> None:
        self.world.clock.advance(seconds(duration_s))
        await settle()


async def settle(turns: int = 60) -> None:
    """Let everything that can go on go on."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def warm(worker: Worker) -> None:
    """Let the senders' buckets fill: new ones are empty."""
    for sender in (NUMBER, SERVICE):
        await worker.give(dispatch(attempt_id=f"warm-{sender}/1", sender=sender, deadline=NOW))
        worker.queue().try_acquire(dispatch(sender=sender), NOW)
    worker.world.clock.advance(seconds(1))
    worker.world.publisher.records.clear()
    worker.acked.clear()


def named(name: str, **changes: Any) -> Dispatch:
    """The command of the first attempt of a message of that name."""
    return dispatch(attempt_id=f"{name}/1", message_id=name, **changes)
