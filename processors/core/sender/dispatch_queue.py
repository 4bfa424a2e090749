"""The dispatch queue: who may go now at each sender, who waits, and how results move a sender's limit.

A queue serves the senders of one partition. It is memory only: what waits is in the ``attempts`` table first, and a new
owner of the partition fills its queue from there. No clock here: time is an argument.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from processors.core.sender import token_bucket
from processors.core.sender.decide import OWN_REASONS
from processors.core.sender.fair_queue import FairQueue
from processors.core.sms.retry_policy import CodeAction, Codes
from schemas.backoff import backoff_delay
from schemas.enums import Lane, Outcome
from schemas.reasons import AttemptReason
from schemas.records import AttemptResult, Dispatch
from schemas.states import ThrottleState

LONG_PAUSE = timedelta(minutes=5)
"""After a result that shows sender or account to be out of order: kind to Twilio, short enough to notice a repair."""
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=60)
_LONG_PAUSES = frozenset({CodeAction.PAUSE_SENDER, CodeAction.STOP_ACCOUNT})
_TOO_FAST = frozenset({CodeAction.SLOW_DOWN, CodeAction.PAUSE_SENDER})
_UNKNOWNS_IN_A_ROW = 3
_UP_TO = {lane: tuple(Lane)[: place + 1] for place, lane in enumerate(Lane)}


@dataclass(frozen=True, slots=True)
class QueuedAttempt:
    """What memory has of a queued command; the whole command is in the table."""

    attempt_id: str
    sender: str
    lane: Lane
    tenant: str
    segments: int
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A pause of one sender.

    Args:
        sender: The sender.
        until: Nothing of the sender is called before this time, UTC.
        reason: The reason or the code of the result that began the pause.
        alert: Whether an operator should look at the sender or the account.
    """

    sender: str
    until: datetime
    reason: str
    alert: bool


class _SenderQueue:
    """One sender: its limit, the attempts that wait for the limit, and how its last calls went."""

    def __init__(self, limit: token_bucket.TokenBucket, cooldown: Cooldown | None = None) -> None:
        self.limit = limit
        self.saved_limit = limit
        self.cooldown = cooldown
        self.consecutive_failures = 0
        self._order: FairQueue[QueuedAttempt] = FairQueue()
        self._lane_counts: Counter[Lane] = Counter()
        self._waiting: dict[str, QueuedAttempt] = {}

    def push(self, queued: QueuedAttempt) -> None:
        """Add an attempt behind its tenant's others. An attempt that waits already stays in its place."""
        if queued.attempt_id not in self._waiting:
            self._waiting[queued.attempt_id] = queued
            self._lane_counts[queued.lane] += 1
            self._order.push(queued)

    def remove(self, queued: QueuedAttempt) -> bool:
        """Take out an attempt wherever it stands. False if it does not wait."""
        if self._waiting.get(queued.attempt_id) is not queued:
            return False
        del self._waiting[queued.attempt_id]
        self._lane_counts[queued.lane] -= 1
        return True

    def head(self) -> QueuedAttempt | None:
        """The attempt whose turn it is. Attempts that were removed meanwhile are dropped from the order here."""
        while (head := self._order.peek()) is not None:
            if self._waiting.get(head.attempt_id) is head:
                return head
            self._order.pop()
        return None

    def pop(self) -> None:
        """Take out the head."""
        taken = self._order.pop()
        assert taken is not None
        self.remove(taken)

    def is_behind(self, lane: Lane) -> bool:
        """Whether an attempt waits that a new attempt of this lane must not overtake."""
        return bool(self._waiting) and any(self._lane_counts[other] for other in _UP_TO[lane])

    def take(self, segments: int, now: datetime) -> timedelta:
        """Spend segments of the limit. Zero if they are granted, else how long to wait."""
        self.limit, _, wait = token_bucket.take(self.limit, segments, now)
        return wait

    def throttle_state(self, sender: str, now: datetime) -> ThrottleState:
        """The limit as it is saved."""
        paused_until = self.limit.at if self.limit.at > now else None
        reason = self.cooldown.reason if self.cooldown is not None and paused_until is not None else None
        return ThrottleState(
            sender=sender,
            rate=self.limit.rate,
            tokens=self.limit.tokens,
            at=self.limit.at,
            paused_until=paused_until,
            pause_reason=reason,
        )


class DispatchQueue:
    """The senders of one partition, their limits and their waiting attempts.

    Args:
        ceiling: The most segments a second that a sender may send, by sender id.
        codes: What Twilio's error codes mean.
    """

    def __init__(self, ceiling: Callable[[str], float], codes: Codes) -> None:
        self._ceiling = ceiling
        self._codes = codes
        self._senders: dict[str, _SenderQueue] = {}
        self._queued: dict[str, QueuedAttempt] = {}
        self._deadlines: list[tuple[datetime, str]] = []  # a heap of (deadline, attempt_id)

    def __len__(self) -> int:
        return len(self._queued)

    def __contains__(self, attempt_id: str) -> bool:
        """Whether the attempt waits here, or was taken out and is not removed yet."""
        return attempt_id in self._queued

    def restore(self, state: ThrottleState, now: datetime) -> None:
        """Take over a saved limit: its rate, debt and pause, but no tokens, as another owner may have spent them."""
        fresh = token_bucket.new_bucket(self._ceiling(state.sender), now)
        paused = state.paused_until is not None and state.paused_until > now
        limit = replace(fresh, rate=min(state.rate, fresh.ceiling), tokens=min(state.tokens, 0.0), at=state.at)
        limit = limit if paused else replace(token_bucket.refill(limit, now), at=max(state.at, now))
        cooldown = Cooldown(state.sender, state.at, state.pause_reason or "", alert=False) if paused else None
        self._senders[state.sender] = _SenderQueue(replace(limit, tokens=min(limit.tokens, 0.0)), cooldown)

    def try_acquire(self, command: Dispatch, now: datetime) -> bool:
        """Whether a command that was just read may be called at once. If so, its segments are spent."""
        sender = self._sender(command.sender, now)
        return not sender.is_behind(command.lane) and not sender.take(max(1, command.segments), now)

    def enqueue(self, command: Dispatch, now: datetime) -> None:
        """Queue a command behind its tenant's others. A command that was taken out is put back there."""
        queued = self._queued.setdefault(command.attempt_id, _queued_attempt(command))
        self._sender(queued.sender, now).push(queued)
        heapq.heappush(self._deadlines, (queued.deadline, queued.attempt_id))

    def remove(self, attempt_id: str) -> None:
        """Forget an attempt: its result is published."""
        queued = self._queued.pop(attempt_id, None)
        if queued is not None and queued.sender in self._senders:
            self._senders[queued.sender].remove(queued)

    def pop_expired(self, now: datetime) -> list[str]:
        """Take out the waiting attempts whose deadline has passed, whatever the limits. Returns their ids."""
        expired = []
        while self._deadlines and self._deadlines[0][0] <= now:
            queued = self._queued.get(heapq.heappop(self._deadlines)[1])
            if queued is not None and self._sender(queued.sender, now).remove(queued):
                expired.append(queued.attempt_id)
        return expired

    def pop_ready(self, now: datetime) -> str | None:
        """Take out the next attempt that its sender may make now, and spend its segments.

        Returns:
            The attempt's id, or None if no sender may send.
        """
        for sender in self._senders.values():
            head = sender.head()
            if head is not None and not sender.take(head.segments, now):
                sender.pop()
                return head.attempt_id
        return None

    def next_due_at(self, now: datetime) -> datetime | None:
        """The earliest time at which an attempt can go or expires. None if nothing waits."""
        times = [self._deadlines[0][0]] if self._deadlines else []
        for sender in self._senders.values():
            head = sender.head()
            if head is not None:
                times.append(now + token_bucket.take(sender.limit, head.segments, now)[2])
        return min(times, default=None)

    def on_result(self, result: AttemptResult, now: datetime) -> Cooldown | None:
        """Adapt the limit of a result's sender. Returns the pause that the result begins, if it begins one."""
        sender = self._sender(result.sender, now)
        if result.outcome is Outcome.ACCEPTED:
            sender.consecutive_failures = 0
            sender.limit = token_bucket.faster(sender.limit, now)
            return None
        action = self._codes.find(result.code).action if result.code is not None else CodeAction.NONE
        if result.reason == AttemptReason.RATE_LIMITED or action in _TOO_FAST:
            sender.limit = token_bucket.slower(sender.limit, now)
        pause = _pause_after(result, action, sender, now)
        if not pause:
            return None
        alert = action is CodeAction.STOP_ACCOUNT
        sender.cooldown = Cooldown(result.sender, now + pause, result.reason or str(result.code), alert)
        sender.limit = token_bucket.cool_down(sender.limit, sender.cooldown.until)
        return sender.cooldown

    def take_dirty_limits(self, now: datetime) -> list[ThrottleState]:
        """The limits that changed since the last call, as they are saved."""
        changed = [(name, sender) for name, sender in self._senders.items() if sender.limit is not sender.saved_limit]
        for _, sender in changed:
            sender.saved_limit = sender.limit
        return [sender.throttle_state(name, now) for name, sender in changed]

    def _sender(self, name: str, now: datetime) -> _SenderQueue:
        sender = self._senders.get(name)
        if sender is None:
            sender = self._senders[name] = _SenderQueue(token_bucket.new_bucket(self._ceiling(name), now))
        return sender


def _queued_attempt(command: Dispatch) -> QueuedAttempt:
    return QueuedAttempt(
        attempt_id=command.attempt_id,
        sender=command.sender,
        lane=command.lane,
        tenant=command.tenant,
        segments=max(1, command.segments),
        deadline=command.deadline,
    )


def _pause_after(result: AttemptResult, action: CodeAction, sender: _SenderQueue, now: datetime) -> timedelta:
    """How long a sender pauses after a result: long if it is out of order, else by its failures in a row."""
    if action in _LONG_PAUSES:
        return LONG_PAUSE
    if result.outcome not in (Outcome.NOT_SENT, Outcome.UNKNOWN) or result.reason in OWN_REASONS:
        return timedelta()
    asked = timedelta(milliseconds=result.retry_after_ms or 0)
    if sender.limit.at > now:  # calls that were in flight together fail together: one signal, not many
        return asked
    sender.consecutive_failures += 1
    if result.outcome is Outcome.UNKNOWN and sender.consecutive_failures < _UNKNOWNS_IN_A_ROW:
        return timedelta()
    return max(backoff_delay(_FIRST_PAUSE, _LONGEST_PAUSE, sender.consecutive_failures), asked)
