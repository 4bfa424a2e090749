"""Faults on request: how the API and the callbacks misbehave, how often, and which request is affected."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, get_args

from connectors.simulator.model.seeded_random import draw
from connectors.simulator.model.settings import CallbackFaults

FaultName = Literal[
    "accept_then_drop",
    "accept_then_500",
    "accept_then_503",
    "500_without_effect",
    "hang",
    "reset_before",
    "reset_after",
    "slow",
    "garbage_201",
    "cut_201",
    "429",
]
Operation = Literal["create", "list", "fetch", "update"]
FAULT_NAMES: tuple[str, ...] = get_args(FaultName)
OPERATIONS: tuple[str, ...] = get_args(Operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which the API misbehaves.

    Args:
        name: One of ``FAULT_NAMES``; docs/simulator.md says what the client sees of each.
        operation: Which requests are affected, one of ``OPERATIONS``; ``update`` includes deletion.
        times: How many requests are affected; None: all until cleared.
        probability: Chance, 0 to 1, that a request is affected.
        after: How long a request hangs (``hang``) or is late (``slow``).
        accepted: Whether a request takes effect that hangs, or whose connection is reset after its body was read.
            A valid request with ``accept_then_*``, ``*_201`` or ``slow`` always takes effect.
        until: When the fault ends by itself, or None.

    Raises:
        ValueError: ``name`` or ``operation`` is unknown.
    """

    name: str
    operation: str = "create"
    times: int | None = 1
    probability: float = 1.0
    after: timedelta = timedelta(seconds=30)
    accepted: bool = True
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.name not in FAULT_NAMES or self.operation not in OPERATIONS:
            raise ValueError(f"fault {self.name} on {self.operation}: use one of {FAULT_NAMES} on one of {OPERATIONS}")


class Faults:
    """The armed faults, in order of arming, and ``triggered``, how often each name has affected a request."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._requests = 0
        self.armed: list[Fault] = []
        self.triggered: Counter[str] = Counter()

    def arm(self, fault: Fault) -> None:
        """Put a fault in force, after those already armed."""
        self.armed.append(fault)

    def clear(self) -> None:
        """Disarm every fault."""
        self.armed.clear()

    def take(self, operation: str, now: datetime | None = None) -> Fault | None:
        """The first armed fault that affects this request, or None. Faults that ended by ``now`` are removed."""
        if not self.armed:
            return None
        if now is not None:
            self.armed = [fault for fault in self.armed if fault.until is None or now < fault.until]
        self._requests += 1
        for index, fault in enumerate(self.armed):
            if fault.operation == operation and self._is_drawn(fault):
                self._count_down(index, fault)
                self.triggered[fault.name] += 1
                return fault
        return None

    def _is_drawn(self, fault: Fault) -> bool:
        return draw(self._seed, "fault", fault.name, self._requests) < fault.probability

    def _count_down(self, index: int, fault: Fault) -> None:
        if fault.times is None:
            return
        if fault.times <= 1:
            del self.armed[index]
        else:
            self.armed[index] = replace(fault, times=fault.times - 1)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What goes wrong with one callback.

    Args:
        lost: It is never posted.
        delay: How much later than due it is posted.
        again_after: How long after the first post the same callback is posted once more; None: never.
        postponed: It is posted only after the message's next callback.
    """

    lost: bool
    delay: timedelta
    again_after: timedelta | None
    postponed: bool


UNDISTURBED = Disturbance(lost=False, delay=timedelta(0), again_after=None, postponed=False)


def draw_disturbance(faults: CallbackFaults, seed: int, sid: str, event: str) -> Disturbance:
    """What goes wrong with the callback for this event of this message; equal arguments give equal results."""
    if not (faults.late or faults.lost or faults.duplicated or faults.reordered):
        return UNDISTURBED

    def share(kind: str) -> float:
        return draw(seed, "callback", kind, sid, event)

    late = share("late") < faults.late
    twice = share("duplicated") < faults.duplicated
    return Disturbance(
        lost=share("lost") < faults.lost,
        delay=faults.late_by * share("late by") if late else timedelta(0),
        again_after=faults.late_by * share("again") if twice else None,
        postponed=share("reordered") < faults.reordered,
    )
