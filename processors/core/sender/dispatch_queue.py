"""The sender stage's one door: who may go now at each sender, who waits, and what an answer says about the limit.

A desk serves the senders of one partition. It is memory only: what waits is in the ``attempts`` table first, and a new
owner of the partition fills its desk from there. No clock here: every method is told the time.
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
from processors.core.sender.fair_queue import Lanes, Waiting
from processors.core.sms.retry_policy import Codes
from schemas.records import Action, AttemptResult, Dispatch, Lane, Outcome
from schemas.states import ThrottleState

QueueKey = tuple[str, Action]

LONG_PAUSE = timedelta(minutes=5)
"""After an answer that says sender or account are not in order: kind, and short enough to notice a fix."""
RATE_LIMITED = "rate_limited"
_LONGEST_BACK_OFF = timedelta(seconds=60)
_ALERT = "stop_account"
_PAUSES = frozenset({"pause_sender", _ALERT})
_TOO_FAST = frozenset({"slow_down", "pause_sender"})
_UNKNOWNS_IN_A_ROW = 3
_UP_TO = {lane: tuple(Lane)[: place + 1] for place, lane in enumerate(Lane)}


@dataclass(frozen=True, slots=True)
class QueuedAttempt:
    """What memory keeps of a command that waits in the table."""

    attempt_id: str
    action: Action
    sender: str
    lane: Lane
    tenant: str
    segments: int
    deadline: datetime
    not_before: datetime | None

    @property
    def key(self) -> QueueKey:
        """Names the entry: an attempt can be sent and looked up."""
        return (self.attempt_id, self.action)


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A sender rests: nothing of it is called before ``until``. ``alert``: a person should look at it."""

    sender: str
    until: datetime
    reason: str
    alert: bool


class _SenderQueue:
    """One sender: its limit, the messages that wait for it in their lanes, and how its last calls went."""

    def __init__(self, limit: token_bucket.TokenBucket, rest: Cooldown | None = None) -> None:
        self.limit = limit
        self.saved = limit
        self.rest = rest
        self.strikes = 0
        self._lanes: Lanes[QueuedAttempt] = Lanes()
        self._counts: Counter[Lane] = Counter()
        self._waiting: dict[QueueKey, QueuedAttempt] = {}

    def push(self, ticket: QueuedAttempt) -> None:
        """Add at the end of its tenant's line; one that waits already keeps its place."""
        if ticket.key not in self._waiting:
            self._waiting[ticket.key] = ticket
            self._counts[ticket.lane] += 1
            self._lanes.push(Waiting(ticket.lane, ticket.tenant, ticket.segments, ticket))

    def remove(self, ticket: QueuedAttempt) -> bool:
        """Take a message out wherever it stands; False if it does not wait."""
        if self._waiting.get(ticket.key) is not ticket:
            return False
        del self._waiting[ticket.key]
        self._counts[ticket.lane] -= 1
        return True

    def head(self) -> QueuedAttempt | None:
        """Whose turn it is. What was removed meanwhile is dropped on the way."""
        while (head := self._lanes.peek()) is not None:
            if self._waiting.get(head.item.key) is head.item:
                return head.item
            self._lanes.pop()
        return None

    def pop(self) -> None:
        """Take the head out."""
        taken = self._lanes.pop()
        assert taken is not None
        self.remove(taken.item)

    def crowded(self, lane: Lane) -> bool:
        """Whether somebody waits whom a new message of this lane may not overtake."""
        return bool(self._waiting) and any(self._counts[other] for other in _UP_TO[lane])

    def take(self, segments: int, now: datetime) -> timedelta:
        """Spend segments: zero if they are granted, else how long to wait."""
        self.limit, _, wait = token_bucket.take(self.limit, segments, now)
        return wait

    def state(self, sender: str, now: datetime) -> ThrottleState:
        """The limit as it is saved."""
        resting = self.limit.at if self.limit.at > now else None
        reason = self.rest.reason if self.rest is not None and resting is not None else None
        return ThrottleState(
            sender=sender,
            rate=self.limit.rate,
            tokens=self.limit.tokens,
            at=self.limit.at,
            resting_until=resting,
            rest_reason=reason,
        )


class DispatchQueue:
    """The senders of one partition. ``ceiling`` says how many segments a second a sender may send at most."""

    def __init__(self, ceiling: Callable[[str], float], codes: Codes) -> None:
        self._ceiling = ceiling
        self._codes = codes
        self._lines: dict[str, _SenderQueue] = {}
        self._tickets: dict[QueueKey, QueuedAttempt] = {}
        self._times: list[tuple[datetime, str, Action, bool]] = []  # when, key, whether it stood in no lane

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, key: QueueKey) -> bool:
        """Whether that command is queued here, or being handled out of the queue."""
        return key in self._tickets

    def restore(self, state: ThrottleState, now: datetime) -> None:
        """Take a limit over as it was saved: its rate, debt and rest, but no tokens, as nobody knows who spent them."""
        fresh = token_bucket.new_bucket(self._ceiling(state.sender), now)
        resting = state.resting_until is not None and state.resting_until > now
        limit = replace(fresh, rate=min(state.rate, fresh.ceiling), tokens=min(state.tokens, 0.0), at=state.at)
        limit = limit if resting else replace(token_bucket.refill(limit, now), at=max(state.at, now))
        rest = Cooldown(state.sender, state.at, state.rest_reason or "", alert=False) if resting else None
        self._lines[state.sender] = _SenderQueue(replace(limit, tokens=min(limit.tokens, 0.0)), rest)

    def may_go(self, command: Dispatch, now: datetime) -> bool:
        """Whether a message that just came may be called at once; if so its segments are spent."""
        line = self._line(command.sender, now)
        return not line.crowded(command.lane) and not line.take(max(1, command.segments), now)

    def enter(self, command: Dispatch, now: datetime) -> None:
        """Queue a command, at the end of its tenant's line; one that was taken out goes back there."""
        ticket = self._tickets.setdefault((command.attempt_id, command.action), _ticket(command))
        early = ticket.not_before is not None and ticket.not_before > now
        if ticket.action is Action.LOOK_UP or early:
            heapq.heappush(self._times, (ticket.not_before or now, *ticket.key, True))
        else:
            self._line_up(ticket, now)

    def leave(self, key: QueueKey) -> None:
        """Forget a command: it is answered."""
        ticket = self._tickets.pop(key, None)
        if ticket is not None and ticket.sender in self._lines:
            self._lines[ticket.sender].remove(ticket)

    def ripe(self, now: datetime) -> list[QueuedAttempt]:
        """Take out what is due whatever the limit: look-ups whose time has come, and what expired in the queue."""
        due = []
        while self._times and self._times[0][0] <= now:
            _, attempt_id, action, early = heapq.heappop(self._times)
            ticket = self._tickets.get((attempt_id, action))
            if ticket is None:
                continue
            if early and action is Action.SEND and now < ticket.deadline:
                self._line_up(ticket, now)
            elif early or self._line(ticket.sender, now).remove(ticket):
                due.append(ticket)
        return due

    def next(self, now: datetime) -> QueuedAttempt | None:
        """Take out the next message that some sender may send now, and spend its segments. None: nobody may."""
        for line in self._lines.values():
            head = line.head()
            if head is not None and not line.take(head.segments, now):
                line.pop()
                return head
        return None

    def wake_at(self, now: datetime) -> datetime | None:
        """The earliest moment at which something of the queue can go or is due; None if nothing waits."""
        moments = [self._times[0][0]] if self._times else []
        for line in self._lines.values():
            head = line.head()
            if head is not None:
                moments.append(now + token_bucket.take(line.limit, head.segments, now)[2])
        return min(moments, default=None)

    def heard(self, result: AttemptResult, now: datetime) -> Cooldown | None:
        """Let an answer move its sender's limit. Returns the rest it starts, if it starts one."""
        line = self._line(result.sender, now)
        if result.outcome is Outcome.ACCEPTED:
            line.strikes = 0
            line.limit = token_bucket.faster(line.limit, now)
            return None
        action = self._codes.find(result.code).action if result.code is not None else ""
        if result.reason == RATE_LIMITED or action in _TOO_FAST:
            line.limit = token_bucket.slower(line.limit, now)
        pause = _pause(line, result, action, now)
        if not pause:
            return None
        line.rest = Cooldown(result.sender, now + pause, result.reason or str(result.code), alert=action == _ALERT)
        line.limit = token_bucket.cool_down(line.limit, line.rest.until)
        return line.rest

    def unsaved(self, now: datetime) -> list[ThrottleState]:
        """The limits that moved since they were asked for last."""
        moved = [(sender, line) for sender, line in self._lines.items() if line.limit is not line.saved]
        for _, line in moved:
            line.saved = line.limit
        return [line.state(sender, now) for sender, line in moved]

    def _line(self, sender: str, now: datetime) -> _SenderQueue:
        line = self._lines.get(sender)
        if line is None:
            line = self._lines[sender] = _SenderQueue(token_bucket.new_bucket(self._ceiling(sender), now))
        return line

    def _line_up(self, ticket: QueuedAttempt, now: datetime) -> None:
        self._line(ticket.sender, now).push(ticket)
        heapq.heappush(self._times, (ticket.deadline, *ticket.key, False))


def _ticket(command: Dispatch) -> QueuedAttempt:
    return QueuedAttempt(
        attempt_id=command.attempt_id,
        action=command.action,
        sender=command.sender,
        lane=command.lane,
        tenant=command.tenant,
        segments=max(1, command.segments),
        deadline=command.deadline,
        not_before=command.not_before,
    )


def _pause(line: _SenderQueue, result: AttemptResult, action: str, now: datetime) -> timedelta:
    """How long a sender rests after an answer: long if it isn't in order, else by the failures in a row."""
    if action in _PAUSES:
        return LONG_PAUSE
    if result.outcome not in (Outcome.NOT_SENT, Outcome.UNKNOWN) or result.reason in OWN_REASONS:
        return timedelta()
    asked = timedelta(milliseconds=result.retry_after_ms or 0)
    if line.limit.at > now:  # calls that were in flight together fail together: one signal, not many
        return asked
    line.strikes += 1
    if result.outcome is Outcome.UNKNOWN and line.strikes < _UNKNOWNS_IN_A_ROW:
        return timedelta()
    return max(min(timedelta(seconds=2 ** min(line.strikes - 1, 10)), _LONGEST_BACK_OFF), asked)
