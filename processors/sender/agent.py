"""The sender stage: each command once, at its sender's pace. Decide, save, call, answer, acknowledge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from processors.core.policy import Policy
from processors.core.sender import decide
from processors.core.sender.decide import AnswerCommand, AttemptContext, CallTwilio, LookUpMessage, QueueCommand
from processors.core.sender.dispatch_queue import DispatchQueue, QueuedAttempt
from processors.sender.executor import Executor, Fenced
from processors.sender.housekeeping import Housekeeper
from processors.sender.tables import SenderTables
from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.kafka_message import KafkaEvent
from processors.streaming.ordered_acks import OrderedAcks, PartitionLost
from schemas.codec import Codec, EncodedRecord
from schemas.errors import DecodeError
from schemas.ports import Clock, Publisher, Revocations
from schemas.records import AttemptResult, DeadLetter, Dispatch
from schemas.states import SenderAttempt
from schemas.topics import BY_NAME, SMS_ATTEMPTS

logger = logging.getLogger(__name__)

UNKNOWN_SENDER_RATE = 1.0
"""Segments a second of a sender that stands in no setting of this release: the slowest any number type has."""
_SHORTEST_NAP = 0.005
_WHOLE_UP_TO = 900_000  # bytes of a value in a dead letter: more would not fit a broker's default limit


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDeps:
    """What the stage is made of. ``calls``: how many may be open at once. ``tick_s``: how often time is an event."""

    tables: SenderTables
    executor: Executor
    publisher: Publisher
    revocations: Revocations
    fence: Fenced
    clock: Clock
    policy: Policy
    codec: Codec
    acks: OrderedAcks
    calls: int
    tick_s: float
    fail: FailStop = fail_stop
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class _OwnedPartition:
    """One owned partition in one generation: its desk, and whose name stands on what is done there."""

    generation: int
    desk: DispatchQueue


class SenderAgent:
    """Handles dispatch commands and ticks. One for each worker."""

    def __init__(self, parts: SenderDeps) -> None:
        self._parts = parts
        self._tables = parts.tables
        self._clock = parts.clock
        self._posts: dict[int, _OwnedPartition] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._leaving = False
        self._house = Housekeeper(parts.tables, parts.clock)

    async def accept(self, event: KafkaEvent) -> None:
        """Start handling one record of a lane. Commands of one attempt follow each other, others overlap."""
        try:
            command = self._parts.codec.decode(Dispatch, event.value)
        except DecodeError as error:
            await self._parts.acks.run(event, partial(self._bury, error))
            return
        await self._parts.acks.run(event, partial(self._step, command), _ordering_key(command.attempt_id))

    async def tick(self, event: KafkaEvent) -> None:
        """Time for one partition: what waits goes as its sender's limit allows, limits are saved, old intents go.

        A lost partition ends it without an error.
        """
        try:
            await self._tick(event)
        except PartitionLost as lost:
            logger.info("tick given up: %s is lost", lost)

    async def _tick(self, event: KafkaEvent) -> None:
        message, end = event.message, self._clock.elapsed() + self._parts.tick_s
        if not self._parts.fence.owns(message):
            return
        desk = self._desk(message)
        await self._house.keep(message.partition, desk)
        while not self._leaving and self._parts.fence.owns(message) and self._pump(desk, event):
            wake_at = desk.wake_at(self._clock.now())
            if wake_at is None:
                return
            nap = max((wake_at - self._clock.now()).total_seconds(), _SHORTEST_NAP)
            if self._clock.elapsed() + nap > end:
                return
            await self._parts.sleep(nap)

    async def leave(self, *_: object, **__: object) -> None:
        """Let what was called be answered, start nothing more, and forget the desks: a rebalance or the end.

        Queued commands stay in the table. Work goes on when the next generation's first event comes.
        """
        self._leaving = True
        if self._work:
            await asyncio.wait(self._work)
        self._posts.clear()

    async def _step(self, command: Dispatch, event: KafkaEvent) -> None:
        await self._fenced(event.message)
        desk = self._desk(event.message)
        if (command.attempt_id, command.action) not in desk:  # else it was read before, and is in the queue
            await self._handle(command, event.message, desk, queued=False)

    async def _handle(self, command: Dispatch, message: Any, desk: DispatchQueue, *, queued: bool) -> None:
        mark = self._tables.intent(message.partition, command.attempt_id)
        now = self._clock.now()
        match decide.decide_command(command, mark, self._around(command)):
            case AnswerCommand(result, new_mark):
                if new_mark is not None:
                    await self._tables.mark(new_mark)
            case LookUpMessage():
                result = await self._parts.executor.look_up(command)
            case CallTwilio() if queued or desk.may_go(command, now):
                result = await self._call(command, message)
                self._learn(result, desk)
            case CallTwilio():
                return await self._hold(decide.queue_entry(command), desk, queued=queued)
            case QueueCommand(entry):
                return await self._hold(entry, desk, queued=queued)
        await self._answer(result, desk, queued=queued)
        return None

    async def _call(self, command: Dispatch, message: Any) -> AttemptResult:
        """The send protocol: a durable intent, then the one call."""
        async with self._parts.executor.slots:
            await self._fenced(message)
            intent = decide.intent(command, self._clock.now(), self._parts.policy.timing.intent_life)
            await self._tables.mark(intent)
            self._house.marked(message.partition)
            return await self._parts.executor.call(command, intent, message)

    async def _hold(self, entry: SenderAttempt, desk: DispatchQueue, *, queued: bool) -> None:
        assert entry.command is not None
        desk.enter(entry.command, self._clock.now())  # first, so that nothing of its lane passes it meanwhile
        if not queued:
            await self._tables.queue(entry)

    async def _answer(self, result: AttemptResult, desk: DispatchQueue, *, queued: bool) -> None:
        await self._parts.publisher.publish([self._parts.codec.wire(SMS_ATTEMPTS, result.person, result)])
        if queued:
            key = (result.attempt_id, result.action)
            await self._tables.unqueue(key)
            desk.leave(key)

    def _learn(self, result: AttemptResult, desk: DispatchQueue) -> None:
        """A call's answer moves its sender's limit."""
        rest = desk.heard(result, self._clock.now())
        if rest is not None:
            log = logger.error if rest.alert else logger.warning
            log("sender %s rests until %s: %s", rest.sender, rest.until.isoformat(timespec="seconds"), rest.reason)

    async def _bury(self, error: DecodeError, event: KafkaEvent) -> None:
        message, value = event.message, event.value
        whole = value is None or len(value) <= _WHOLE_UP_TO
        letter = DeadLetter(
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            key=event.key,
            value=value if whole else None,
            reason=error.reason,
            detail=error.detail if whole else f"{error.detail} (its {len(value)} bytes are only at its origin)",
            stage="sender",
            occurred_at=self._clock.now(),
        )
        topic = BY_NAME[message.topic].dead_letter
        assert topic is not None
        await self._parts.publisher.publish([EncodedRecord(topic, event.key, self._parts.codec.encode(letter))])

    def _pump(self, desk: DispatchQueue, event: KafkaEvent) -> bool:
        """Start what is due and what may go; False if nobody may be called for now."""
        for ticket in desk.ripe(self._clock.now()):
            self._start(ticket, desk, event)
        if self._parts.revocations.stale() is not None:
            return False
        while len(self._work) < 2 * self._parts.calls and (ready := desk.next(self._clock.now())) is not None:
            self._start(ready, desk, event)
        return True

    def _start(self, ticket: QueuedAttempt, desk: DispatchQueue, event: KafkaEvent) -> None:
        task = asyncio.get_running_loop().create_task(self._take_up(ticket, desk, event))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _take_up(self, ticket: QueuedAttempt, desk: DispatchQueue, event: KafkaEvent) -> None:
        """Handle a command out of the queue, after and before whatever else concerns its attempt."""
        try:
            await self._parts.acks.run_local(
                _ordering_key(ticket.attempt_id), partial(self._resume, ticket, desk, event)
            )
        except PartitionLost:
            pass  # its entry stays in the table, and the new owner's desk is filled from there
        except Exception as error:  # noqa: BLE001  nothing may be lost in silence: this worker ends
            self._parts.fail("a queued command failed", error)

    async def _resume(self, ticket: QueuedAttempt, desk: DispatchQueue, event: KafkaEvent) -> None:
        if self._leaving:
            return
        await self._fenced(event.message)
        command = self._tables.command(event.message.partition, ticket.key)
        if command is None:
            desk.leave(ticket.key)
            return
        await self._handle(command, event.message, desk, queued=True)

    async def _fenced(self, message: Any) -> None:
        """Return while the partition is ours. Raises PartitionLost."""
        if not self._parts.fence.owns(message) and not await self._parts.fence.wait_until_owned(message):
            raise PartitionLost(f"{message.topic}/{message.partition}")

    def _around(self, command: Dispatch) -> AttemptContext:
        return AttemptContext(
            now=self._clock.now(),
            revoked=self._parts.revocations.revoked(command.person, command.program),
            stale=self._parts.revocations.stale(),
            intent_life=self._parts.policy.timing.intent_life,
        )

    def _desk(self, message: Any) -> DispatchQueue:
        """The partition's desk; in a new generation a new one, filled from the tables."""
        post = self._posts.get(message.partition)
        if post is None or post.generation != message.generation_id:
            post = self._posts[message.partition] = _OwnedPartition(
                message.generation_id, self._new_desk(message.partition)
            )
            self._leaving = False
        return post.desk

    def _new_desk(self, partition: int) -> DispatchQueue:
        desk, now = DispatchQueue(self._ceiling, self._parts.policy.codes), self._clock.now()
        for limit in self._tables.limits(partition):
            desk.restore(limit, now)
        for command in self._tables.queued(partition):
            desk.enter(command, now)
        return desk

    def _ceiling(self, sender_id: str) -> float:
        known = self._parts.policy.senders.get(sender_id)
        return known.mps if known is not None else UNKNOWN_SENDER_RATE


def _ordering_key(attempt_id: str) -> bytes:
    return attempt_id.encode()
