"""Pages Twilio's message list for what no callback carries: prices, and statuses whose callback never came.

A round reads back from now and publishes only news. What was published is remembered in memory: after a restart the
whole window is published once more, and the person stage drops what it knows.

What happened lately changes soon, what is old changes late: a message is read again before its age has tripled, not
in every round. At a round every five minutes each message of a day is read some 9 times, instead of 288.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from processors.core.person.statuses import FINAL
from schemas.codec import Codec
from schemas.ports import Clock, MessageList, Publisher
from schemas.records import ListEntry
from schemas.topics import SMS_LIST_ENTRIES

logger = logging.getLogger(__name__)

REMEMBERED = 1_000_000
"""Entries whose publication is remembered, about 100 bytes each. A window that holds more is published repeatedly."""


@dataclass(slots=True)
class ReconcilerCounts:
    """What was read and published since the start, and how many rounds ended early."""

    rounds: int = 0
    failed: int = 0
    read: int = 0
    published: int = 0


class Reconciler:
    """Makes one round at a time; two of them at once do no harm.

    ``every``: how far the rounds are apart. ``window``: how far back the deepest of them read.
    """

    def __init__(
        self,
        history: MessageList,
        publisher: Publisher,
        codec: Codec,
        clock: Clock,
        every: timedelta,
        window: timedelta,
        remembered: int = REMEMBERED,
    ) -> None:
        self._history = history
        self._publisher = publisher
        self._codec = codec
        self._clock = clock
        self._every = every
        self._window = window
        self._owed = timedelta()
        self._remembered = remembered
        self._known: dict[int, None] = {}
        self.counts = ReconcilerCounts()

    async def round(self) -> None:
        """Read back once. Never raises: what failed is logged, counted, and read again in the next round."""
        now, back = self._clock.now(), max(self._owed, read_back(self.counts.rounds, self._every, self._window))
        self.counts.rounds += 1
        try:
            async for page in self._history.entries(now - back, now):
                await self._publish_news(page)
            self._owed = timedelta()
        except Exception:
            # whatever a list or a broker does to us, sending goes on
            self.counts.failed += 1
            self._owed = back
            logger.exception("Twilio's message list was not read to its end; tried again in the next round")

    async def _publish_news(self, page: Sequence[ListEntry]) -> None:
        self.counts.read += len(page)
        news = [entry for entry in page if _is_final(entry) and _fingerprint(entry) not in self._known]
        await self._publisher.publish([self._codec.wire(SMS_LIST_ENTRIES, entry.person, entry) for entry in news])
        self._known.update(dict.fromkeys(map(_fingerprint, news)))
        self.counts.published += len(news)
        while len(self._known) > self._remembered:
            del self._known[next(iter(self._known))]


def read_back(number: int, every: timedelta, window: timedelta) -> timedelta:
    """How far back a round reads, by its number: 2, 4, 2, 8, 2, 4, 2, 16, … times ``every``, at most ``window``.

    A depth of D comes every D/2: who is older than D/2 by then is in one of the next size, before three times that age.
    """
    ones = number & -number  # the largest power of two in the number; 0, the first round, has them all
    return min(every * 2 * ones, window) if ones else window


def _is_final(entry: ListEntry) -> bool:
    return entry.price is not None or entry.status in FINAL


def _fingerprint(entry: ListEntry) -> int:
    return hash((entry.message_sid, entry.status, entry.price, entry.currency, entry.segments))
