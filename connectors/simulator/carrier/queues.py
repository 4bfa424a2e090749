"""Queues: each lets out so many segments a second, in order of arrival, and holds 10 hours of them.

Source: https://support.twilio.com/hc/en-us/articles/115002943027 and https://www.twilio.com/docs/api/errors/21611
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_WAIT = timedelta(hours=10)


@dataclass(frozen=True, slots=True)
class Queue:
    """One of the queues a message stands in: a sender's, a service's, a campaign's. `rate`: segments per second."""

    name: str
    rate: float


class Queues:
    """When each queue is free again."""

    def __init__(self) -> None:
        self._free_at: dict[str, datetime] = {}

    def full(self, queues: Sequence[Queue], now: datetime) -> bool:
        """Whether one more message would have to wait longer than a queue may be."""
        return any(self._free_at.get(queue.name, now) - now > MAX_WAIT for queue in queues)

    def join(self, queues: Sequence[Queue], segments: int, now: datetime) -> datetime:
        """The instant at which a message that joins all these queues now has left the last of them."""
        return max((self._enter(queue, segments, now) for queue in queues), default=now)

    def _enter(self, queue: Queue, segments: int, now: datetime) -> datetime:
        leaves = max(self._free_at.get(queue.name, now), now)
        self._free_at[queue.name] = leaves + timedelta(seconds=segments / queue.rate)
        return leaves
