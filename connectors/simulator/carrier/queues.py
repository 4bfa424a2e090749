"""Twilio's send queues: a fixed rate in segments per second, in order of arrival, at most 10 hours long.

Source: https://support.twilio.com/hc/en-us/articles/115002943027 and https://www.twilio.com/docs/api/errors/21611
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_WAIT = timedelta(hours=10)


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of a sender, a service or a campaign. ``rate``: segments per second."""

    name: str
    rate: float


class Queues:
    """When each queue, by its name, is empty again."""

    def __init__(self) -> None:
        self._free_at: dict[str, datetime] = {}

    def is_full(self, queues: Sequence[Queue], now: datetime) -> bool:
        """Whether a message that joined these queues now would wait longer than 10 hours in one of them."""
        return any(self._free_at.get(queue.name, now) - now > MAX_WAIT for queue in queues)

    def join(self, queues: Sequence[Queue], segments: int, now: datetime) -> datetime:
        """Add a message to every queue.

        Returns:
            When the message has left the last of them; ``now`` without queues.
        """
        return max((self._enter(queue, segments, now) for queue in queues), default=now)

    def _enter(self, queue: Queue, segments: int, now: datetime) -> datetime:
        leaves = max(self._free_at.get(queue.name, now), now)
        self._free_at[queue.name] = leaves + timedelta(seconds=segments / queue.rate)
        return leaves
