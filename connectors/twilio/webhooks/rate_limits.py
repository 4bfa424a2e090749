"""Load is shed before it hurts: a webhook that is not admitted is answered 503, and Twilio repeats it.

Beside it a guard against another machine that replies to our automatic replies.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from schemas.records import InboundMessage

logger = logging.getLogger(__name__)

_PAIRS = 10_000


class Admission:
    """At most ``concurrent`` requests at work, and ``rate`` new ones per second with a burst of one second's worth.

    This is not the sender's token bucket: that one is a persisted value in segments whose rate adapts.
    """

    def __init__(self, concurrent: int, rate: float | None, elapsed: Callable[[], float]) -> None:
        """Start with a full burst.

        Args:
            concurrent: Requests at work at once.
            rate: New requests per second, None for any number.
            elapsed: Seconds on a clock that never jumps.
        """
        self._concurrent = concurrent
        self._rate = rate
        self._elapsed = elapsed
        self._tokens = rate or 0.0
        self._at = elapsed()
        self.at_work = 0

    def enter(self) -> str | None:
        """Admit one request until `leave`. Returns None, or the reason why the request is not admitted."""
        if self.at_work >= self._concurrent:
            return "too many at once"
        if self._rate is not None and not self._take(self._rate):
            return "too many per second"
        self.at_work += 1
        return None

    def leave(self) -> None:
        """One admitted request is answered."""
        self.at_work -= 1

    def _take(self, rate: float) -> bool:
        now = self._elapsed()
        self._tokens = min(max(rate, 1.0), self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class AutoReplyGuard:
    """Withholds automatic replies once one number got ``most`` from another ``within`` seconds.

    Beyond that a machine replies to our replies. Twilio ends such a loop only after 30 replies in 30 seconds, each of
    them paid for. Source: https://www.twilio.com/docs/api/errors/14107
    """

    def __init__(
        self,
        reply_for: Callable[[InboundMessage], str | None],
        elapsed: Callable[[], float],
        most: int,
        within: float,
        on_withheld: Callable[[], None] = lambda: None,
    ) -> None:
        """Wrap ``reply_for``.

        Args:
            reply_for: The text that replies to an inbound message, or None for no reply.
            elapsed: Seconds on a clock that never jumps.
            most: Replies from one number to another.
            within: Seconds.
            on_withheld: Called for each reply withheld.
        """
        self._reply_for = reply_for
        self._elapsed = elapsed
        self._most = most
        self._within = within
        self._on_withheld = on_withheld
        self._replied: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def __call__(self, inbound: InboundMessage) -> str | None:
        """The reply, or None: there is none, or it is withheld."""
        reply = self._reply_for(inbound)
        if reply is None:
            return None
        now, pair = self._elapsed(), (inbound.person, inbound.to)
        recent = [at for at in self._replied.pop(pair, ()) if now - at < self._within]
        enough = len(recent) >= self._most
        self._replied[pair] = recent if enough else [*recent, now]
        if len(self._replied) > _PAIRS:
            self._replied.popitem(last=False)
        if enough:
            self._on_withheld()
            logger.warning("%d replies to %s within %s s: this one is withheld", len(recent), pair[0], self._within)
            return None
        return reply
