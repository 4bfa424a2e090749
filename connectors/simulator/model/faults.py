"""Faults on demand: how the API and the callbacks misbehave, how often, and decided how."""

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
NAMES: tuple[str, ...] = get_args(FaultName)
OPERATIONS: tuple[str, ...] = get_args(Operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to misbehave: for the next `times` requests (None: until cleared) or `until` an instant, each with
    `probability`.

    `after` answers a request without an answer (hang) or late (slow). `accepted`: whether a request that hangs, or is
    reset after its body was read, takes effect. For accept_then_*, *_201 and slow it takes effect if it is valid.
    """

    name: str
    operation: str = "create"
    times: int | None = 1
    probability: float = 1.0
    after: timedelta = timedelta(seconds=30)
    accepted: bool = True
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES or self.operation not in OPERATIONS:
            raise ValueError(f"fault {self.name} on {self.operation}: use one of {NAMES} on one of {OPERATIONS}")


class Faults:
    """The faults in force; the first in order of arming whose chance comes up is met."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._requests = 0
        self.armed: list[Fault] = []
        self.met: Counter[str] = Counter()

    def arm(self, fault: Fault) -> None:
        self.armed.append(fault)

    def clear(self) -> None:
        self.armed.clear()

    def take(self, operation: str, now: datetime | None = None) -> Fault | None:
        """The fault that this request meets, or None. Those whose time is over at `now` are taken off."""
        if not self.armed:
            return None
        if now is not None:
            self.armed = [fault for fault in self.armed if fault.until is None or now < fault.until]
        self._requests += 1
        for place, fault in enumerate(self.armed):
            if fault.operation == operation and self._strikes(fault):
                self._use_up(place, fault)
                self.met[fault.name] += 1
                return fault
        return None

    def _strikes(self, fault: Fault) -> bool:
        return draw(self._seed, "fault", fault.name, self._requests) < fault.probability

    def _use_up(self, place: int, fault: Fault) -> None:
        if fault.times is None:
            return
        if fault.times <= 1:
            del self.armed[place]
        else:
            self.armed[place] = replace(fault, times=fault.times - 1)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happens to one callback: never posted, posted late, posted again, or held until after the next one."""

    lost: bool
    delay: timedelta
    again_after: timedelta | None
    held: bool


NONE = Disturbance(lost=False, delay=timedelta(0), again_after=None, held=False)


def disturb(faults: CallbackFaults, seed: int, sid: str, topic: str) -> Disturbance:
    """The fate of the callback that tells of this status."""
    if not (faults.late or faults.lost or faults.duplicated or faults.reordered):
        return NONE

    def share(kind: str) -> float:
        return draw(seed, "callback", kind, sid, topic)

    late = share("late") < faults.late
    twice = share("duplicated") < faults.duplicated
    return Disturbance(
        lost=share("lost") < faults.lost,
        delay=faults.late_by * share("late by") if late else timedelta(0),
        again_after=faults.late_by * share("again") if twice else None,
        held=share("reordered") < faults.reordered,
    )
