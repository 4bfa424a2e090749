"""The order at one sender: urgent before normal before bulk, and inside a lane fair turns of the tenants.

Fairness is deficit round robin (Shreedhar and Varghese, 1995) in segments: each tenant in turn gets a quantum to spend,
and saves what its next message does not use up. So a tenant with ten thousand long messages delays another tenant's
single message by a quantum, not by ten thousand messages. A tenant's own messages stay in order.

The queue is memory, not state: the ``attempts`` table has what waits, and a new owner fills its queue from there.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from schemas.enums import Lane

QUANTUM = 10  # segments per turn: as much as most messages ever have, so a turn serves at least one


class FairItem(Protocol):
    """What can be queued: one message with its place in the order and its size."""

    @property
    def lane(self) -> Lane:
        """The message's lane."""
        ...

    @property
    def tenant(self) -> str:
        """Whose message it is."""
        ...

    @property
    def segments(self) -> int:
        """The message's size in segments, at least 1."""
        ...


Item = TypeVar("Item", bound=FairItem)


class FairQueue(Generic[Item]):
    """The waiting messages of one sender."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, _FairLane[Item]] = {lane: _FairLane() for lane in Lane}

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def push(self, item: Item) -> None:
        """Add a message behind its tenant's other messages of the same lane."""
        self._lanes[item.lane].push(item)

    def peek(self) -> Item | None:
        """The message that ``pop`` would return, left in the queue: ask the limit before taking it out."""
        return next((lane.peek() for lane in self._lanes.values() if lane), None)

    def pop(self) -> Item | None:
        """Take out the next message. None if nothing waits."""
        return next((lane.pop() for lane in self._lanes.values() if lane), None)


class _FairLane(Generic[Item]):
    """One lane. A tenant is in ``_turns`` exactly while it has messages; its credit ends with its last message."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, deque[Item]] = {}
        self._turns: deque[str] = deque()
        self._credit: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, item: Item) -> None:
        if item.tenant not in self._by_tenant:
            self._by_tenant[item.tenant] = deque()
            self._credit[item.tenant] = QUANTUM if not self._turns else 0
            self._turns.append(item.tenant)
        self._by_tenant[item.tenant].append(item)
        self._count += 1

    def peek(self) -> Item:
        """The first message of the first tenant whose credit pays for it.

        Turns pass while looking, and credit is not spent, so that the next call returns the same message.
        """
        while (head := self._by_tenant[self._turns[0]][0]).segments > self._credit[self._turns[0]]:
            self._turns.rotate(-1)
            self._credit[self._turns[0]] += QUANTUM
        return head

    def pop(self) -> Item:
        head = self.peek()
        waiting = self._by_tenant[head.tenant]
        waiting.popleft()
        self._credit[head.tenant] -= head.segments
        self._count -= 1
        if not waiting:
            self._drop_tenant(head.tenant)
        return head

    def _drop_tenant(self, tenant: str) -> None:
        """Remove a tenant without messages, whose turn it is, and begin the next tenant's turn."""
        del self._by_tenant[tenant], self._credit[tenant]
        self._turns.popleft()
        if self._turns:
            self._credit[self._turns[0]] += QUANTUM
