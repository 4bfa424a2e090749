"""How a message ends on its way through carrier and handset: drawn from the mix, and equal in every run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from connectors.simulator.model.seeded_random import draw
from connectors.simulator.model.settings import OutcomeWeight, SimulationSettings


@dataclass(frozen=True, slots=True)
class HandsetOutcome:
    """How one message ends, and how long its steps take.

    Args:
        status: The final status; ``sent``: no delivery receipt ever comes.
        code: The error code, or None.
        depart_after: Time from leaving the queues to the carrier.
        receipt_after: Time from the carrier to the delivery receipt.
    """

    status: str
    code: int | None
    depart_after: timedelta
    receipt_after: timedelta


def draw_outcome(settings: SimulationSettings, to: str, body: str, nth: int) -> HandsetOutcome:
    """How the ``nth`` message with this text to this person ends; each repetition may end otherwise."""
    key = (settings.seed, to, body, nth)
    weight = _pick(settings.mix, draw("fate", *key))
    times = settings.latencies
    return HandsetOutcome(
        weight.status, weight.code, times.depart.at(draw("depart", *key)), times.receipt.at(draw("receipt", *key))
    )


def _pick(mix: tuple[OutcomeWeight, ...], share: float) -> OutcomeWeight:
    left = share * sum(outcome.weight for outcome in mix)
    for outcome in mix:
        left -= outcome.weight
        if left < 0:
            return outcome
    return mix[-1]  # rounding can leave exactly 0
