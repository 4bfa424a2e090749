"""Many events in flight, one at a time per key, acknowledged strictly in offset order.

Faust commits past an event that is still in flight when acknowledgements arrive out of order, so they never do: an
event waits for its predecessors of the same partition and generation.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from faust.types import EventT

from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.kafka_message import KafkaMessage

logger = logging.getLogger(__name__)

Step = Callable[[EventT], Awaitable[None]]
Job = Callable[[], Awaitable[None]]


class PartitionLost(Exception):
    """Raised by a step whose partition is no longer ours: the new owner reads the event again."""


class _Item:
    __slots__ = ("done", "event")

    def __init__(self, event: EventT) -> None:
        self.event = event
        self.done = False


class _PendingAcks:
    """The events of one partition and generation that are not acknowledged yet."""

    __slots__ = ("generation", "items", "lost", "room")

    def __init__(self, generation: int | None) -> None:
        self.generation = generation
        self.items: deque[_Item] = deque()
        self.lost = False
        self.room = asyncio.Event()

    def lose(self) -> None:
        self.lost = True
        for item in self.items:
            if item.done:
                _drop_unacked(item.event)
        self.items.clear()
        self.room.set()


class OrderedAcks:
    """Runs events' steps.

    ``in_flight`` bounds the steps that run at once, ``window`` the finished events of one partition that wait for an
    unfinished one (what a crash repeats). An exception out of a step is given to ``fail`` and never acknowledged.
    """

    def __init__(self, in_flight: int, window: int, fail: FailStop = fail_stop) -> None:
        self._slots = asyncio.Semaphore(in_flight)
        self._window = window
        self._fail = fail
        self._lines: dict[Any, _PendingAcks] = {}
        self._tails: dict[bytes | None, asyncio.Task[None]] = {}

    async def run(self, event: EventT, step: Step, key: bytes | None = None) -> None:
        """Start the event's step as soon as there is room; return when it is started, not when it is done.

        Steps of one ``key`` (the event's own if not given) run one after the other in the order of these calls.
        """
        line = self._line(event.message)
        await self._slots.acquire()
        while len(line.items) >= self._window and not line.lost:
            line.room.clear()
            await line.room.wait()
        if line.lost:
            self._slots.release()
            _drop_unacked(event)
            return
        item = _Item(event)
        line.items.append(item)
        self._chain(event.key if key is None else key, lambda: self._step(item, line, step))

    async def run_local(self, key: bytes | None, job: Job) -> None:
        """Run a job that no record stands behind, after and before the steps of its key; return when it is done."""
        await self._chain(key, job)

    def _chain(self, key: bytes | None, job: Job) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._after(self._tails.get(key), key, job))
        self._tails[key] = task
        return task

    async def _after(self, before: asyncio.Task[None] | None, key: bytes | None, job: Job) -> None:
        try:
            if before is not None:
                await asyncio.wait((before,))
            await job()
        finally:
            if self._tails.get(key) is asyncio.current_task():
                del self._tails[key]

    async def _step(self, item: _Item, line: _PendingAcks, step: Step) -> None:
        try:
            if not line.lost:
                await step(item.event)
                item.done = True
                _acknowledge(line)
        except PartitionLost:
            if not line.lost:
                logger.warning("%s is lost from offset %d on", item.event.message.tp, item.event.message.offset)
            line.lose()
        except Exception as error:  # noqa: BLE001  never acknowledged: this worker ends
            self._fail("a step failed", error)
        finally:
            self._slots.release()
            if line.lost:
                _drop_unacked(item.event)

    def _line(self, message: KafkaMessage) -> _PendingAcks:
        line = self._lines.get(message.tp)
        if line is None or line.generation != message.generation_id:
            if line is not None:
                line.lose()
            line = self._lines[message.tp] = _PendingAcks(message.generation_id)
        return line


def _drop_unacked(event: EventT) -> None:
    """Keep Faust from waiting for a message that will never be acknowledged here.

    Before it rejoins its group it waits for each that anybody still refers to, and the agent's loop refers to its last
    one until the next comes: without end, as none comes before.
    """
    event.app.consumer._unacked_messages.discard(event.message)


def _acknowledge(line: _PendingAcks) -> None:
    items = line.items
    while items and items[0].done:
        event = items[0].event
        if event.message.generation_id != event.app.consumer_generation_id:
            logger.warning("%s is lost at offset %d, done but not acknowledged", event.message.tp, event.message.offset)
            line.lose()
            return
        items.popleft()
        event.ack()
    line.room.set()
