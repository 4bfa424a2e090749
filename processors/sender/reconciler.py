"""The reconciler: reads Twilio's message list for prices, and for statuses whose callback never came.

A round reads back from now and publishes only what is new. Memory has what was published: after a restart the whole
window is published once more, and the person stage drops what it knows.

Recent messages change soon, old messages change late: a message is read again before its age has tripled, not in every
round. With a round every five minutes each message of a day is read some 9 times, instead of 288.
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
"""Published entries that memory has, about 100 bytes each. A window with more entries is published repeatedly."""


@dataclass(slots=True)
class ReconcilerCounts:
    """What was done since the start.

    Args:
        rounds: Rounds begun.
        failed: Rounds that did not read to their end.
        read: List entries read.
        published: List entries published.
    """

    rounds: int = 0
    failed: int = 0
    read: int = 0
    published: int = 0


class Reconciler:
    """Makes one round at a time; rounds of two workers at once do no harm.

    Args:
        history: Twilio's message list.
        publisher: Publishes the entries.
        codec: Encodes them.
        clock: The time.
        every: The time between two rounds.
        window: How far back the deepest rounds read.
        remembered: How many published entries memory has.
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
        self._catch_up = timedelta()  # how far back a round that failed should have read
        self._remembered = remembered
        self._published: dict[int, None] = {}  # fingerprints, the oldest first
        self.counts = ReconcilerCounts()

    async def round(self) -> None:
        """Read back once. Never raises: a failure is logged and counted, and the next round reads as far back again."""
        back = max(self._catch_up, read_back(self.counts.rounds, self._every, self._window))
        now = self._clock.now()
        self.counts.rounds += 1
        try:
            async for page in self._history.entries(now - back, now):
                await self._publish_new(page)
            self._catch_up = timedelta()
            logger.info("read %s of Twilio's message list; since the start: %s", back, self.counts)
        except Exception:
            # sending goes on, whatever the list or the broker does
            self.counts.failed += 1
            self._catch_up = back
            logger.exception("Twilio's message list was not read to its end; the next round reads it again")

    async def _publish_new(self, page: Sequence[ListEntry]) -> None:
        self.counts.read += len(page)
        new = [entry for entry in page if _is_final(entry) and _fingerprint(entry) not in self._published]
        await self._publisher.publish([self._codec.wire(SMS_LIST_ENTRIES, entry.person, entry) for entry in new])
        self._published.update(dict.fromkeys(map(_fingerprint, new)))
        self.counts.published += len(new)
        while len(self._published) > self._remembered:
            del self._published[next(iter(self._published))]


def read_back(number: int, every: timedelta, window: timedelta) -> timedelta:
    """How far back a round reads: 2, 4, 2, 8, 2, 4, 2, 16, … times ``every``, at most ``window``.

    A round of depth D comes every D/2. A message that is older than D/2 by then is read in a round of the next depth,
    before its age has tripled.

    Args:
        number: The round's number, from 0. Round 0 reads the whole window.
        every: The time between two rounds.
        window: The deepest reading.
    """
    power = number & -number  # the largest power of two that divides the number; 0 for round 0
    return min(every * 2 * power, window) if power else window


def _is_final(entry: ListEntry) -> bool:
    return entry.price is not None or entry.status in FINAL


def _fingerprint(entry: ListEntry) -> int:
    return hash((entry.message_sid, entry.status, entry.price, entry.currency, entry.segments))
