"""A slice of the matrix in every run, all of it with ``make crash-matrix``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.crash_points import POINTS
from tests.crash.matrix import points_of, run_points, seeds_of

SLICE = (
    "sender.intent_saved",  # the intent is durable, nobody was called
    "sender.written",  # Twilio has the request, its answer comes to nobody
    "person.stop.saved",  # the STOP is in the table, its revocation is not published
    "person.answer.saved",
    "person.unscheduling",
    "ingester.published",  # Kafka has the callback, Twilio has no answer
)


@pytest.mark.kafka
def test_death_at_the_riskiest_steps_breaks_no_promise(tmp_path: Path) -> None:
    """While answers and callbacks get lost; a failure shows its message's whole history."""
    told: list[str] = []
    runs = run_points(tmp_path, 1, [POINTS[name] for name in SLICE], told.append)

    for run in runs:
        assert run.result is not None
        assert run.killed, f"{run.point.name} was not reached"
        assert not run.result.problems, f"seed {run.seed}, {run.point.name}:{run.hit}\n{run.explanation}"
        assert run.result.settled_in_time == len(run.result.settled_s)
    assert sum(len(run.result.settled_s) for run in runs if run.result) > 5, "no answer got lost"


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_death_at_any_step_breaks_no_promise(seed: int, tmp_path: Path) -> None:
    runs = run_points(tmp_path, seed, list(POINTS.values()), print)

    assert not [run.explanation for run in runs if run.result is None or run.result.problems]


def test_seeds_and_points_are_chosen_by_words() -> None:
    assert seeds_of("1-3,7") == [1, 2, 3, 7]
    assert points_of("all") == list(POINTS.values())
    assert [point.name for point in points_of("sender.intent_saved,sender.written")] == [
        "sender.intent_saved",
        "sender.written",
    ]
    assert {point.role for point in points_of("sink")} == {"sink"}
    with pytest.raises(SystemExit, match="no such point"):
        points_of("nowhere")
