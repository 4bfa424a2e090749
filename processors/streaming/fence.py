"""The fence: whether this worker still owns the partition of a message, as far as that can be known without asking.

A worker that was frozen and thawed believes for more than a second that its partitions are still its own: assignment,
generation and Faust's flags all say so. Only the age of the last heartbeat that the broker answered tells the truth,
on a clock that counts suspended time (``faust_patches.heartbeat``).
"""

from __future__ import annotations

import asyncio

import faust

from processors.streaming.faust_patches import heartbeat
from processors.streaming.faust_patches.heartbeat import HeartbeatMember
from processors.streaming.kafka_message import KafkaMessage
from processors.streaming.transport import consumer_of

POLL_S = 0.05


class Fence:
    """Asked before each side effect.

    Args:
        app: The worker's app.
        session_s: The group's session time-out in seconds. Until it has passed since the last good heartbeat, Kafka
            gives our partitions to nobody else.
        margin_s: Seconds of the session time-out that are left for the side effect itself.
    """

    def __init__(self, app: faust.App, session_s: float, margin_s: float) -> None:
        self._app = app
        self._fresh_s = session_s - margin_s

    def owns(self, message: KafkaMessage) -> bool:
        """Whether the message's partition is ours, and will be for ``margin_s``. Never awaits: check, then act."""
        return self._assigned(message) and self._heartbeat_is_fresh()

    async def wait_until_owned(self, message: KafkaMessage) -> bool:
        """Wait until the message's partition is known to be ours (True), or to be lost (False).

        A late heartbeat closes the fence for a moment although nothing is lost. A message that was dropped then would
        never be read again, because no rebalance follows.
        """
        while self._assigned(message):
            if self._heartbeat_is_fresh():
                return True
            await asyncio.sleep(POLL_S)
        return False

    async def wait_until_member(self) -> bool:
        """Wait until nobody else can own any partition of ours (True), or until our generation is over (False)."""
        while (member := self._member()) is not None and member.generation == self._app.consumer_generation_id:
            if self._heartbeat_is_fresh():
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _assigned(self, message: KafkaMessage) -> bool:
        member = self._member()
        if member is None:
            return False
        same_generation = message.generation_id == member.generation == self._app.consumer_generation_id
        return same_generation and consumer_of(self._app).is_assigned(message.tp)

    def _heartbeat_is_fresh(self) -> bool:
        member = self._member()
        return member is not None and heartbeat.now() - member.last_good_heartbeat < self._fresh_s

    def _member(self) -> HeartbeatMember | None:
        return consumer_of(self._app).group_member()
