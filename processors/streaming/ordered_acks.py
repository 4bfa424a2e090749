"""Many events in flight, one at a time per key, acknowledged strictly in offset order.

Faust commits past an event that is still in flight when acknowledgements arrive out of order. So here an event waits
for its predecessors of the same partition and generation.

Source: https://github.com/faust-streaming/faust/issues/606.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from faust.types import TP

from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.kafka_message import KafkaEvent, KafkaMessage
from processors.streaming.transport import consumer_of

logger = logging.getLogger(__name__)

Step = Callable[[KafkaEvent], Awaitable[None]]
Job = Callable[[], Awaitable[None]]
Key = bytes | None


class PartitionLost(Exception):
    """Raised by a step whose partition is no longer ours: the new owner reads the event again."""


class _InFlight:
    """One event, and whether its step has ended."""

    __slots__ = ("done", "event")

    def __init__(self, event: KafkaEvent) -> None:
        self.event = event
        self.done = False


class _PendingAcks:
    """The events of one partition and generation that are not acknowledged yet, in offset order."""

    __slots__ = ("events", "generation", "has_room", "revoked")

    def __init__(self, generation: int | None) -> None:
        self.generation = generation
        self.events: deque[_InFlight] = deque()
        self.revoked = False
        self.has_room = asyncio.Event()

    def revoke(self) -> None:
        """Nothing of this partition is acknowledged any more; steps that run may end."""
        self.revoked = True
        for one in self.events:
            if one.done:
                _drop_unacked(one.event)
        self.events.clear()
        self.has_room.set()


class OrderedAcks:
    """Runs the steps of events and acknowledges the events in offset order.

    Args:
        in_flight: How many steps run at once.
        window: How many ended events of one partition wait for an unended one: what a crash repeats at most.
        fail: Called with an exception that a step raised. The step's event is never acknowledged.
    """

    def __init__(self, in_flight: int, window: int, fail: FailStop = fail_stop) -> None:
        self._slots = asyncio.Semaphore(in_flight)
        self._window = window
        self._fail = fail
        self._pending: dict[TP, _PendingAcks] = {}
        self._tails: dict[Key, asyncio.Task[None]] = {}

    async def run(self, event: KafkaEvent, step: Step, key: bytes | None = None) -> None:
        """Start the event's step as soon as there is room. Returns when the step is started, not when it has ended.

        Args:
            event: The event.
            step: Called with the event. May raise ``PartitionLost``.
            key: Steps of one key run one after the other in the order of these calls. None: the event's own key.
        """
        pending = self._pending_acks(event.message)
        await self._slots.acquire()
        while len(pending.events) >= self._window and not pending.revoked:
            pending.has_room.clear()
            await pending.has_room.wait()
        if pending.revoked:
            self._slots.release()
            _drop_unacked(event)
            return
        one = _InFlight(event)
        pending.events.append(one)
        self._start_after_tail(event.key if key is None else key, lambda: self._run_step(one, pending, step))

    def run_local(self, key: bytes | None, job: Job) -> asyncio.Task[None]:
        """Start a job that no record stands behind, after and before the steps of its key.

        Returns:
            The job's task. It ends with the job, and raises what the job raises.
        """
        return self._start_after_tail(key, job)

    def _start_after_tail(self, key: Key, job: Job) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._run_after(self._tails.get(key), key, job))
        self._tails[key] = task
        return task

    async def _run_after(self, before: asyncio.Task[None] | None, key: Key, job: Job) -> None:
        try:
            if before is not None:
                await asyncio.wait((before,))
            await job()
        finally:
            if self._tails.get(key) is asyncio.current_task():
                del self._tails[key]

    async def _run_step(self, one: _InFlight, pending: _PendingAcks, step: Step) -> None:
        try:
            if not pending.revoked:
                await step(one.event)
                one.done = True
                _acknowledge(pending)
        except PartitionLost:
            if not pending.revoked:
                logger.warning("%s is lost from offset %d on", one.event.message.tp, one.event.message.offset)
            pending.revoke()
        except Exception as error:  # noqa: BLE001  never acknowledged: this worker ends
            self._fail("a step failed", error)
        finally:
            self._slots.release()
            if pending.revoked:
                _drop_unacked(one.event)

    def _pending_acks(self, message: KafkaMessage) -> _PendingAcks:
        pending = self._pending.get(message.tp)
        if pending is None or pending.generation != message.generation_id:
            if pending is not None:
                pending.revoke()
            pending = self._pending[message.tp] = _PendingAcks(message.generation_id)
        return pending


async def wait_for_all(tasks: Iterable[Awaitable[None]]) -> None:
    """Wait until all of these have ended, whatever becomes of each.

    Raises:
        PartitionLost: At least one of them raised it, and none raised anything else.
        Exception: The first other exception that one of them raised.
    """
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for error in errors:
        if not isinstance(error, PartitionLost):
            raise error
    if errors:
        raise errors[0]


def _drop_unacked(event: KafkaEvent) -> None:
    """Keep Faust from waiting for a message that will never be acknowledged here."""
    consumer_of(event.app).stop_waiting_for(event.message)


def _acknowledge(pending: _PendingAcks) -> None:
    events = pending.events
    while events and events[0].done:
        event = events[0].event
        if event.message.generation_id != event.app.consumer_generation_id:
            # acknowledged now, its offset would be counted in the new generation, whose records it does not belong to
            logger.warning("%s is lost at offset %d, done but not acknowledged", event.message.tp, event.message.offset)
            pending.revoke()
            return
        events.popleft()
        event.ack()
    pending.has_room.set()
