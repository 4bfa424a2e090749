"""What stops replies that answer each other for ever.

Sources: https://www.twilio.com/docs/errors/14107 (30 replies between two numbers, each within 30 seconds of the one
before) and https://www.twilio.com/docs/errors/14109 (10 replies to one incoming message).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_REPLIES = 10
_CHAIN = 30
_PAUSE = timedelta(seconds=30)


@dataclass(slots=True)
class _Chain:
    length: int
    last: datetime
    shut_until: datetime | None = None


class ReplyLoopGuard:
    """Counts replies between two numbers."""

    def __init__(self) -> None:
        self._chains: dict[tuple[str, str], _Chain] = {}

    def lets(self, sender: str, person: str, now: datetime) -> bool:
        """Whether one more reply may go; the count starts again after 30 seconds without, or once reopened."""
        chain = self._chains.get((sender, person))
        if chain is not None and chain.shut_until is not None and now < chain.shut_until:
            return False
        if chain is None or chain.shut_until is not None or now - chain.last >= _PAUSE:
            self._chains[sender, person] = _Chain(1, now)
            return True
        chain.length, chain.last = chain.length + 1, now
        if chain.length > _CHAIN:
            chain.shut_until = now + _PAUSE
        return chain.shut_until is None
