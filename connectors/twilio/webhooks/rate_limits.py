"""Shedding load before it hurts: what is not taken is answered 503, and Twilio brings it again. And not talking to a
machine that talks back.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from schemas.records import InboundMessage

log = logging.getLogger(__name__)

_PAIRS = 10_000


class Admission:
    """At most ``concurrent`` requests in work, and ``rate`` new ones per second with a second's worth of burst.

    ``elapsed`` gives seconds on a clock that never jumps. Without ``rate`` only concurrency counts.
    """

    def __init__(self, concurrent: int, rate: float | None, elapsed: Callable[[], float]) -> None:
        self._concurrent = concurrent
        self._rate = rate
        self._elapsed = elapsed
        self._tokens = rate or 0.0
        self._at = elapsed()
        self.in_work = 0

    def enter(self) -> str | None:
        """None, and then `leave` when it is done; or why not."""
        if self.in_work >= self._concurrent:
            return "too many at once"
        if self._rate is not None and not self._take(self._rate):
            return "too many per second"
        self.in_work += 1
        return None

    def leave(self) -> None:
        self.in_work -= 1

    def _take(self, rate: float) -> bool:
        now = self._elapsed()
        self._tokens = min(max(rate, 1.0), self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class AutoReplyGuard:
    """At most ``most`` answers from one number to another within seconds: beyond, somebody's machine answers ours.

    Twilio cuts such a loop off only at 30 answers in 30 seconds, each of them paid for.
    Source: https://www.twilio.com/docs/api/errors/14107
    """

    def __init__(
        self,
        reply_for: Callable[[InboundMessage], str | None],
        elapsed: Callable[[], float],
        most: int,
        within: float,
    ) -> None:
        self._reply_for = reply_for
        self._elapsed = elapsed
        self._most = most
        self._within = within
        self._answered: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self.withheld = 0

    def __call__(self, inbound: InboundMessage) -> str | None:
        """The answer, or None: there is none, or there were enough."""
        reply = self._reply_for(inbound)
        if reply is None:
            return None
        now, pair = self._elapsed(), (inbound.person, inbound.to)
        recent = [at for at in self._answered.pop(pair, ()) if now - at < self._within]
        enough = len(recent) >= self._most
        self._answered[pair] = recent if enough else [*recent, now]
        if len(self._answered) > _PAIRS:
            self._answered.popitem(last=False)
        if enough:
            self.withheld += 1
            log.warning("%d answers to %s within %s s: no more for now", len(recent), inbound.person, self._within)
            return None
        return reply
