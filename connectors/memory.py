"""Doubles of every port, in memory. They pass the contract suites that the adapters pass, and raise the same errors.

``MemoryTwilio`` is the account that ``MemorySender`` and ``MemoryMessageList`` share. Its methods named ``…_next``
change the next call alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from connectors.kafka.errors import PublishError
from connectors.twilio.errors import MessageListUnavailable
from schemas.attempt_results import attempt_result
from schemas.codec import EncodedRecord
from schemas.enums import Outcome
from schemas.ports import Clock, LastCheck
from schemas.records import AttemptResult, Dispatch, ListEntry


@dataclass(frozen=True, slots=True)
class MemoryMessage:
    """A message this Twilio accepted."""

    sid: str
    attempt: Dispatch
    created: datetime


ChangeResult = Callable[[AttemptResult], AttemptResult]
"""What happens to the result of a call that would have been accepted."""


@dataclass(slots=True)
class MemoryTwilio:
    """An account that accepts everything, except what a test asks for."""

    accepted: list[MemoryMessage] = field(default_factory=list)
    list_available: bool = True
    _next: deque[tuple[bool, ChangeResult]] = field(default_factory=deque)

    def lose_next_answer(self) -> None:
        """Accepted, and the answer lost."""
        self._next.append((True, _unknown("connection_lost")))

    def lose_next_request(self) -> None:
        """Lost after it was written and before it was accepted."""
        self._next.append((False, _unknown("connection_lost")))

    def fail_next(self) -> None:
        """A server error that accepts nothing, as the caller cannot know."""
        self._next.append((False, _unknown("server_error")))

    def limit_next(self, retry_after_ms: int | None = None) -> None:
        """Too many requests: without effect."""
        change: ChangeResult = lambda answer: replace(  # noqa: E731  a value of a named type
            answer, outcome=Outcome.NOT_SENT, reason="rate_limited", code=20429, retry_after_ms=retry_after_ms
        )
        self._next.append((False, change))

    def refuse_next(self, code: int) -> None:
        """Twilio says no, with its code."""
        change: ChangeResult = lambda answer: replace(  # noqa: E731  a value of a named type
            answer, outcome=Outcome.REJECTED, reason="refused_by_twilio", code=code, detail="refused"
        )
        self._next.append((False, change))

    def take(self, attempt: Dispatch, now: datetime) -> AttemptResult:
        """What Twilio makes of one call that reaches it."""
        accepts, change = self._next.popleft() if self._next else (True, lambda answer: answer)
        answer = attempt_result(attempt, Outcome.ACCEPTED, now)
        if accepts:
            sid = f"SM{len(self.accepted) + 1:032x}"
            self.accepted.append(MemoryMessage(sid, attempt, now))
            answer = replace(answer, sid=sid, status="accepted" if attempt.sender.startswith("MG") else "queued")
        return change(answer)


def _unknown(reason: str) -> ChangeResult:
    return lambda answer: replace(answer, outcome=Outcome.UNKNOWN, reason=reason, sid=None, status=None)


class MemorySender:
    """Double of ``SmsSender``. ``before_check`` is awaited where the real one waits for a connection."""

    def __init__(
        self,
        twilio: MemoryTwilio,
        clock: Clock,
        timeout: float = 10.0,
        before_check: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._twilio = twilio
        self._clock = clock
        self._timeout = timeout
        self._before_check = before_check

    @property
    def timeout(self) -> float:
        """Seconds after which a call has ended."""
        return self._timeout

    async def send(self, attempt: Dispatch, last_check: LastCheck) -> AttemptResult:
        """Make one call. See ``schemas.ports.SmsSender``."""
        if self._before_check is not None:
            await self._before_check()
        now = self._clock.now()
        reason = last_check()
        if reason is not None:
            return attempt_result(attempt, Outcome.NOT_SENT, now, reason=reason)
        return self._twilio.take(attempt, now)


class MemoryMessageList:
    """Double of ``MessageList``."""

    def __init__(self, twilio: MemoryTwilio, clock: Clock, page_size: int = 1000) -> None:
        self._twilio = twilio
        self._clock = clock
        self._page_size = page_size

    async def find(self, look_up: Dispatch) -> AttemptResult:
        """What became of an attempt. See ``schemas.ports.MessageList``."""
        answer = attempt_result(look_up, Outcome.ABSENT, self._clock.now())
        if not self._twilio.list_available:
            return replace(answer, outcome=Outcome.UNKNOWN, reason="list_unavailable")
        for message in self._twilio.accepted:
            if self._is(look_up, message):
                return replace(answer, outcome=Outcome.ACCEPTED, sid=message.sid, status="delivered")
        return replace(answer, reason="not_in_list")

    def _is(self, look_up: Dispatch, message: MemoryMessage) -> bool:
        sent = message.attempt
        after = (look_up.called_after or look_up.issued_at).replace(microsecond=0)
        return (
            (sent.person, sent.sender, sent.body) == (look_up.person, look_up.sender, look_up.body)
            and after <= message.created <= (look_up.called_before or self._clock.now())
            and message.sid not in look_up.claimed_sids
        )

    async def entries(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[ListEntry]]:
        """Outbound messages of that time, a page at a time.

        Raises:
            MessageListUnavailable: ``list_available`` is off.
        """
        if not self._twilio.list_available:
            raise MessageListUnavailable("switched off")
        found = [message for message in self._twilio.accepted if since <= message.created < until]
        for start in range(0, len(found), self._page_size):
            yield [self._entry(message) for message in found[start : start + self._page_size]]

    def _entry(self, message: MemoryMessage) -> ListEntry:
        service = message.attempt.sender.startswith("MG")
        return ListEntry(
            message_sid=message.sid,
            person=message.attempt.person,
            sender_number=None if service else message.attempt.sender,
            messaging_service=message.attempt.sender if service else None,
            status="delivered",
            segments=message.attempt.segments,
            date_created=message.created,
            read_at=self._clock.now(),
        )


class MemoryPublisher:
    """Double of ``Publisher``: ``records`` are those it acknowledged."""

    def __init__(self) -> None:
        self.records: list[EncodedRecord] = []
        self.available = True
        self.batches = 0

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        """Store the records.

        Raises:
            PublishError: ``available`` is off.
        """
        if not self.available:
            raise PublishError("switched off")
        self.batches += 1
        self.records.extend(records)

    def on(self, topic: str) -> list[EncodedRecord]:
        """What was acknowledged on one topic, in order."""
        return [record for record in self.records if record.topic == topic]


class MemoryRevocations:
    """Double of ``Revocations``: who said STOP, to ``all`` or to a program."""

    def __init__(self) -> None:
        self._scopes: dict[str, set[str]] = {}
        self.stale_because: str | None = None

    def revoke(self, person: str, scope: str = "all") -> None:
        """Let the person say STOP to everything or to one program."""
        self._scopes.setdefault(person, set()).add(scope)

    def restore(self, person: str, scope: str = "all") -> None:
        """Take a STOP back."""
        self._scopes.get(person, set()).discard(scope)

    def revoked(self, person: str, program: str | None) -> bool:
        """Whether the person said STOP to everything or to this program."""
        scopes = self._scopes.get(person, set())
        return "all" in scopes or (program is not None and program in scopes)

    def stale(self) -> str | None:
        """The reason that the test set, or None."""
        return self.stale_because
