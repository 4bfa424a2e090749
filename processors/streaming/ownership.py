"""Whether this worker still owns the partition a message came from, as far as that can be known without asking.

A worker that was frozen and thawed believes for more than a second that its partitions are still its own: assignment,
generation and Faust's flags all say so. Only the age of the last heartbeat the broker answered tells, on a clock that
counts suspended time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import faust
from aiokafka.consumer.group_coordinator import GroupCoordinator

from processors.streaming.kafka_message import KafkaMessage

POLL_S = 0.05
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # monotonic stops while a machine sleeps
_STAMP = "last_good_heartbeat"


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def install() -> None:
    """Make aiokafka remember when its last good heartbeat was *sent*. Once per process; calling again does nothing."""
    if hasattr(GroupCoordinator, _STAMP):
        return
    do_heartbeat, on_join_complete = GroupCoordinator._do_heartbeat, GroupCoordinator._on_join_complete

    async def stamped_heartbeat(self: Any) -> bool:
        sent_at = _now()
        good = bool(await do_heartbeat(self))
        if good:
            self.last_good_heartbeat = sent_at
        return good

    async def stamped_join(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.last_good_heartbeat = _now()
        return await on_join_complete(self, *args, **kwargs)

    GroupCoordinator.last_good_heartbeat = 0.0
    GroupCoordinator._do_heartbeat = stamped_heartbeat
    GroupCoordinator._on_join_complete = stamped_join


class Fence:
    """Asked before a side effect.

    ``session_s`` is the group's session timeout: before it has passed since the last good heartbeat nobody else can
    own our partitions. ``reserve_s`` of it is kept for the side effect itself.
    """

    def __init__(self, app: faust.App, session_s: float, reserve_s: float) -> None:
        self._app = app
        self._fresh_s = session_s - reserve_s

    def install(self) -> None:
        """See the module's `install`."""
        install()

    def holds(self, message: KafkaMessage) -> bool:
        """Whether the message's partition is ours, and will be for ``reserve_s``. Never awaits: check, then act."""
        return self._ours(message) and self._fresh()

    async def regained(self, message: KafkaMessage) -> bool:
        """Wait until the fence holds (True), or until the partition is lost for sure (False).

        A late heartbeat closes the fence for a moment although nothing is lost; what is dropped then would not be
        read again, because no rebalance follows.
        """
        while self._ours(message):
            if self._fresh():
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def in_standing(self) -> bool:
        """Wait until nobody else can own any partition of ours (True), or until our generation is gone (False)."""
        while self._coordinator().generation == self._app.consumer_generation_id:
            if self._fresh():
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _ours(self, message: KafkaMessage) -> bool:
        consumer = self._app.consumer._thread._consumer
        if consumer is None:
            return False
        generation = consumer._coordinator.generation
        return bool(
            message.generation_id == generation == self._app.consumer_generation_id
            and _assigned(consumer._subscription.subscription, message.tp)
        )

    def _fresh(self) -> bool:
        return bool(_now() - getattr(self._coordinator(), _STAMP, 0.0) < self._fresh_s)

    def _coordinator(self) -> Any:
        return self._app.consumer._thread._consumer._coordinator


def _assigned(subscription: Any, tp: Any) -> bool:
    """As ``consumer.assignment()``, which builds a new set of all partitions at every call."""
    assignment = subscription.assignment if subscription is not None else None
    return assignment is not None and tp in assignment.tps
