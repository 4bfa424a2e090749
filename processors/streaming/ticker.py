"""Time as an event: a tick for every owned partition, as a local event that no Kafka record stands behind."""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import faust
from faust.streams import _current_event
from faust.types import TP, AppT, Message

from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.kafka_message import KafkaEvent
from processors.streaming.ordered_acks import PartitionLost

logger = logging.getLogger(__name__)

TickHandler = Callable[[KafkaEvent], Awaitable[None]]
NO_OFFSET = -1
"""The offset of a tick."""


def local_event(app: AppT, tp: TP) -> KafkaEvent:
    """An event of this partition and of the current generation that need not be acknowledged."""
    message = Message(
        tp.topic,
        tp.partition,
        NO_OFFSET,
        timestamp=time.time(),
        timestamp_type=0,
        headers=[],
        key=None,
        value=None,
        checksum=None,
        tp=tp,
        generation_id=app.consumer_generation_id,
    )
    return faust.Event(app, None, None, {}, message)


def start_ticks(
    app: faust.App,
    source_topics: Sequence[str],
    every_s: float,
    handler: TickHandler,
    fail: FailStop = fail_stop,
) -> None:
    """Call a handler again and again with a local event of every owned partition.

    A partition's next tick waits for its last one. No tick starts during a rebalance or a recovery, and a rebalance
    waits for those that run.

    Args:
        app: The worker's app.
        source_topics: Topics of one key space: their partitions of one number have one owner, and are ticked once.
        every_s: Seconds between ticks.
        handler: Called with the event. May raise ``PartitionLost``, which ends the tick without an error.
        fail: Called with any other exception that the handler raised.
    """
    ticks = _Ticks(app, frozenset(source_topics), handler, fail)
    app.timer(every_s, traced=False, name="ticks")(ticks.start_due)
    app.on_partitions_revoked.connect(ticks.finish)
    app.on_before_shutdown.connect(ticks.finish)


class _Ticks:
    """The running tick of each partition."""

    def __init__(self, app: faust.App, topics: frozenset[str], handler: TickHandler, fail: FailStop) -> None:
        self._app = app
        self._topics = topics
        self._handler = handler
        self._fail = fail
        self._running: dict[int, asyncio.Task[None]] = {}

    async def start_due(self) -> None:
        """Start a tick for every owned partition whose last one has ended."""
        if self._app.rebalancing or self._app.in_recovery or self._app.should_stop:
            return
        for partition, tp in self._owned().items():
            last = self._running.get(partition)
            if last is None or last.done():
                self._running[partition] = asyncio.get_running_loop().create_task(self._tick(tp))

    async def finish(self, *_: Any, **__: Any) -> None:
        """Wait for the ticks that run."""
        running = [task for task in self._running.values() if not task.done()]
        if running:
            await asyncio.wait(running)

    def _owned(self) -> dict[int, TP]:
        return {tp.partition: tp for tp in sorted(self._app.consumer.assignment()) if tp.topic in self._topics}

    async def _tick(self, tp: TP) -> None:
        event = local_event(self._app, tp)
        _current_event.set(weakref.ref(event))  # in this task's own context; this frame keeps the event alive
        try:
            await self._handler(event)
        except PartitionLost as lost:
            logger.info("a tick was given up: %s is lost", lost)  # the new owner's ticks do what is left
        except Exception as error:  # noqa: BLE001  what a tick leaves undone must not be forgotten: this worker ends
            self._fail("a tick failed", error)
