"""What handsets and carriers make of a message: drawn from the mix, the same for the same message in every run."""

from dataclasses import dataclass
from datetime import timedelta

from connectors.simulator.model.seeded_random import draw
from connectors.simulator.model.settings import OutcomeWeight, SimulationSettings


@dataclass(frozen=True, slots=True)
class HandsetOutcome:
    """How one message ends, and how long its steps take. Status `sent`: no receipt ever comes."""

    status: str
    code: int | None
    depart_after: timedelta
    receipt_after: timedelta


def draw_outcome(settings: SimulationSettings, to: str, body: str, nth: int) -> HandsetOutcome:
    """The end of the nth message with this text to this person.

    `nth` lets a later try of the same text end otherwise, as it may in life.
    """
    key = (settings.seed, to, body, nth)
    fate = _pick(settings.mix, draw("fate", *key))
    times = settings.latencies
    return HandsetOutcome(
        fate.status, fate.code, times.depart.at(draw("depart", *key)), times.receipt.at(draw("receipt", *key))
    )


def _pick(mix: tuple[OutcomeWeight, ...], share: float) -> OutcomeWeight:
    left = share * sum(fate.weight for fate in mix)
    for fate in mix:
        left -= fate.weight
        if left < 0:
            return fate
    return mix[-1]
