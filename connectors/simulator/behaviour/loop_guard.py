"""Limits on replies, so that two automatic repliers do not answer each other for ever.

Source: https://www.twilio.com/docs/errors/14107 (30 replies between two numbers, each within 30 seconds of the one
before) and https://www.twilio.com/docs/errors/14109 (10 replies to one inbound message).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_REPLIES = 10
_MAX_CHAIN = 30
_PAUSE = timedelta(seconds=30)


@dataclass(slots=True)
class _Chain:
    length: int
    last: datetime
    shut_until: datetime | None = None


class ReplyLoopGuard:
    """Counts the replies from each number to each person."""

    def __init__(self) -> None:
        self._chains: dict[tuple[str, str], _Chain] = {}

    def allows(self, sender: str, person: str, now: datetime) -> bool:
        """Count one more reply, and return whether Twilio sends it.

        After the limit no reply is sent for 30 seconds. The count starts again then, and after any 30 seconds without
        a reply.
        """
        chain = self._chains.get((sender, person))
        if chain is not None and chain.shut_until is not None and now < chain.shut_until:
            return False
        if chain is None or chain.shut_until is not None or now - chain.last >= _PAUSE:
            self._chains[sender, person] = _Chain(1, now)
            return True
        chain.length, chain.last = chain.length + 1, now
        if chain.length > _MAX_CHAIN:
            chain.shut_until = now + _PAUSE
        return chain.shut_until is None
