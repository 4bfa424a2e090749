"""The sender stage's work on time: a tick dispatches what waits, as each sender's limit allows."""

from __future__ import annotations

import asyncio
from functools import partial

from processors.core.sender.dispatch_queue import DispatchQueue
from processors.sender.attempt_runner import AttemptRunner
from processors.sender.dependencies import SenderDeps
from processors.sender.housekeeping import SenderHousekeeper
from processors.sender.partition_queues import PartitionQueues
from processors.streaming.kafka_message import KafkaEvent
from processors.streaming.ordered_acks import PartitionLost

_SHORTEST_PAUSE_S = 0.005


class QueueRunner:
    """Handles the ticks of the sender stage.

    Args:
        deps: What the stage works with.
        queues: The dispatch queues of the owned partitions.
        attempts: Executes the commands that are taken out of the queues.
        housekeeper: Saves limits and deletes old intents.
    """

    def __init__(
        self, deps: SenderDeps, queues: PartitionQueues, attempts: AttemptRunner, housekeeper: SenderHousekeeper
    ) -> None:
        self._deps = deps
        self._clock = deps.ports.clock
        self._revocations = deps.ports.revocations
        self._queues = queues
        self._attempts = attempts
        self._housekeeper = housekeeper
        self._most_running = 2 * deps.ports.calls  # one waits for each open call, so that a free slot is used at once
        self._running: set[asyncio.Task[None]] = set()

    async def tick(self, event: KafkaEvent) -> None:
        """Do one partition's housekeeping, then dispatch from its queue until the next tick is due.

        Raises:
            PartitionLost: The partition is another worker's.
        """
        message, end_s = event.message, self._clock.elapsed() + self._deps.tick_s
        if not self._deps.fence.owns(message):
            return
        queue = self._queues.queue_of(message)
        await self._housekeeper.run(message.partition, queue)
        while not self._queues.draining and self._deps.fence.owns(message) and self._dispatch_due(queue, event):
            due_at = queue.next_due_at(self._clock.now())
            if due_at is None:
                return
            pause_s = max((due_at - self._clock.now()).total_seconds(), _SHORTEST_PAUSE_S)
            if self._clock.elapsed() + pause_s > end_s:
                return
            await self._deps.sleep(pause_s)

    async def drain(self, *_: object, **__: object) -> None:
        """Let running attempts end, start no more, and forget the queues: for a rebalance or the worker's end.

        Queued commands stay in the table. Work goes on with the first event of the next generation.
        """
        self._queues.draining = True
        if self._running:
            await asyncio.wait(self._running)
        self._queues.clear()

    def _dispatch_due(self, queue: DispatchQueue, event: KafkaEvent) -> bool:
        """Start every attempt that expired or may go now. False if nobody may be called for now."""
        for attempt_id in queue.pop_expired(self._clock.now()):
            self._start(attempt_id, queue, event)
        if self._revocations.stale() is not None:
            return False
        while len(self._running) < self._most_running and (ready := queue.pop_ready(self._clock.now())) is not None:
            self._start(ready, queue, event)
        return True

    def _start(self, attempt_id: str, queue: DispatchQueue, event: KafkaEvent) -> None:
        # The task outlives the tick, and Faust refers to the current event weakly: the task must refer to the event.
        job = partial(self._run_queued, attempt_id, queue, event)
        task = self._deps.acks.run_local(attempt_id.encode(), job)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run_queued(self, attempt_id: str, queue: DispatchQueue, event: KafkaEvent) -> None:
        if self._queues.draining:
            return
        try:
            await self._attempts.send_queued(attempt_id, queue, event.message)
        except PartitionLost:
            pass  # the command stays in the table, and the new owner's queue is filled from there
        except Exception as error:  # noqa: BLE001  no record is unacknowledged that would bring it back: this worker ends
            self._deps.fail("a queued command failed", error)
