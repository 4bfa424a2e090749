"""Who goes next at one sender: urgent before normal before bulk, and inside a lane fair shares per tenant.

Fairness is deficit round robin (Shreedhar and Varghese, 1995) in segments: each tenant in turn gets a quantum to
spend, and what it can't spend on its next message it keeps. So a tenant with ten thousand long messages delays
another's single one by a quantum, not by ten thousand. A tenant's own messages keep their order.

The lanes are memory, not state: the dispatch topics hold what waits, and a new owner fills them again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.records import Lane

T = TypeVar("T")

QUANTUM = 10  # segments per turn: as much as most messages ever have, so a turn serves at least one


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """One message that waits for its turn; ``segments`` is its size, at least 1."""

    lane: Lane
    tenant: str
    segments: int
    item: T


class Lanes(Generic[T]):
    """The waiting messages of one sender."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, _FairQueue[T]] = {lane: _FairQueue() for lane in Lane}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._lanes.values())

    def push(self, waiting: Waiting[T]) -> None:
        """Add at the end of its tenant's line in its lane."""
        self._lanes[waiting.lane].push(waiting)

    def peek(self) -> Waiting[T] | None:
        """What `pop` would return, left where it is: ask the throttle for it before taking it."""
        return next((queue.peek() for queue in self._lanes.values() if queue), None)

    def pop(self) -> Waiting[T] | None:
        """Take the next message, None if nothing waits."""
        return next((queue.pop() for queue in self._lanes.values() if queue), None)


class _FairQueue(Generic[T]):
    """One lane. A tenant is in ``_turns`` exactly while it has messages; credit ends with its line."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Waiting[T]]] = {}
        self._turns: deque[str] = deque()
        self._credit: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, waiting: Waiting[T]) -> None:
        if waiting.tenant not in self._lines:
            self._lines[waiting.tenant] = deque()
            self._credit[waiting.tenant] = QUANTUM if not self._turns else 0
            self._turns.append(waiting.tenant)
        self._lines[waiting.tenant].append(waiting)
        self._count += 1

    def peek(self) -> Waiting[T]:
        """The head of the first line that can pay for it; turns pass on the way, so asking again gives the same."""
        while (head := self._lines[self._turns[0]][0]).segments > self._credit[self._turns[0]]:
            self._turns.rotate(-1)
            self._credit[self._turns[0]] += QUANTUM
        return head

    def pop(self) -> Waiting[T]:
        head = self.peek()
        line = self._lines[head.tenant]
        line.popleft()
        self._credit[head.tenant] -= head.segments
        self._count -= 1
        if not line:
            self._leave(head.tenant)
        return head

    def _leave(self, tenant: str) -> None:
        del self._lines[tenant], self._credit[tenant]
        self._turns.popleft()
        if self._turns:
            self._credit[self._turns[0]] += QUANTUM
