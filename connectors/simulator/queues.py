"""Sender queues: each sender lets out so many segments a second, in order of arrival, and holds 10 hours of them.

Source: https://support.twilio.com/hc/en-us/articles/115002943027 and https://www.twilio.com/docs/api/errors/21611
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

MAX_WAIT = timedelta(hours=10)


class SenderQueues:
    """When each sender is free again."""

    def __init__(self, rates: Mapping[str, float], default_rate: float) -> None:
        self._rates = rates
        self._default = default_rate
        self._free_at: dict[str, datetime] = {}

    def full(self, sender: str, now: datetime) -> bool:
        """Whether one more message would have to wait longer than a queue may be."""
        return self._free_at.get(sender, now) - now > MAX_WAIT

    def join(self, sender: str, segments: int, now: datetime) -> datetime:
        """The instant at which a message that joins the queue now leaves it."""
        leaves = max(self._free_at.get(sender, now), now)
        rate = self._rates.get(sender, self._default)
        self._free_at[sender] = leaves + timedelta(seconds=segments / rate)
        return leaves
