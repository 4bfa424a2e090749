"""Shedding load before it hurts: what is not taken is answered 503, and Twilio brings it again."""

from __future__ import annotations

from collections.abc import Callable


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
