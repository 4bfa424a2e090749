"""Every crash point, over many seeds: ``python -m tests.crash.matrix --seeds 1-3 --points all``.

One system runs through a whole seed. For each point its role is restarted, to crash there, while a batch of messages
comes in; then the role is restarted once more. The batch is checked when it is at rest, while the next points run.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.crash.batch_checker import REST_S, BatchChecker
from tests.crash.crash_points import POINTS, Point
from tests.crash.figures import COLUMNS, count_figures
from tests.crash.history import CheckResult
from tests.crash.load import Batch, LoadProducer, make_batch
from tests.crash.system import System, wait_for

PERSONS, EACH = 10, 3
RATE = 3.0
DEATH_S = 12.0
"""How long to wait for a crash: longer than a scheduled message and the first look-up take."""
OUTAGE_S = 5.0
"""Longer than the ingester waits for the broker before it writes to its spool."""

_PROGRESS = "point"


@dataclass(slots=True)
class PointRun:
    """One point under one seed. ``result`` is set once the batch is at rest, or should be."""

    point: Point
    seed: int
    hit: int
    batch: Batch
    killed: bool = False
    ended_at: float = 0.0
    result: CheckResult | None = None
    explanation: str = ""


@dataclass(slots=True)
class SeedRun:
    """All runs of one seed, on one system."""

    system: System
    seed: int
    checker: BatchChecker
    load: LoadProducer
    report: Callable[[str], None]
    runs: list[PointRun] = field(default_factory=list)

    def point(self, point: Point) -> PointRun:
        """Let the point's role crash there, and restart it."""
        number = len(self.runs)
        rng = random.Random(f"{self.seed}/{point.name}")
        name = f"{self.seed}.{number}"
        run = PointRun(
            point, self.seed, rng.randint(*point.hits), make_batch(name, name, number, PERSONS, EACH, stops=1)
        )
        self.runs.append(run)
        self.system.kill(point.role)
        self.system.restart(point.role, f"{point.name}:{run.hit}")
        self._load(run)
        run.killed = self.system.await_death(point.role, DEATH_S)
        if not run.killed:
            self.system.kill(point.role)
        self.system.restart_ended()
        run.ended_at = time.monotonic()
        self.check_open()
        return run

    def _load(self, run: PointRun) -> None:
        if run.point.outage:
            self.system.disturb_callbacks(late=1.0, late_by_seconds=3)
        self.load.publish_first_half(run.batch)
        if run.point.outage:
            accepted = self.system.accepted()
            wait_for(lambda: self.system.accepted() > accepted + 2, 5)
            self.system.bounce_kafka(OUTAGE_S)
            self.system.disturb_callbacks()
        self.load.publish_stops(run.batch)
        self.load.publish_second_half(run.batch)

    def check_open(self) -> None:
        """Check every batch without a result; set the result of those that are at rest, or should be."""
        self.checker.read()
        for run in self.open():
            result = self.checker.check(run.batch)
            if result.at_rest or time.monotonic() > run.ended_at + REST_S:
                run.result = result
                run.explanation = self.checker.explain(run.batch, result) if result.problems else ""
                self.report("\n".join(filter(None, (_line(run), run.explanation))))

    def finish(self) -> None:
        """Wait until every run has a result."""
        while self.open():
            self.system.restart_ended()
            self.check_open()

    def open(self) -> list[PointRun]:
        """Runs without a result."""
        return [run for run in self.runs if run.result is None]


def run_points(folder: Path, seed: int, points: Sequence[Point], report: Callable[[str], None]) -> list[PointRun]:
    """Run all these points under one seed."""
    sink = any(point.role == "sink" for point in points)
    with System(folder, seed=seed, rate=RATE, sink=sink) as system:
        system.arm_faults()
        seed_run = SeedRun(system, seed, BatchChecker(system), LoadProducer(system), report)
        for number, point in enumerate(points, 1):
            report(f"seed {seed}: {_PROGRESS} {number} of {len(points)}, {point.name}")
            seed_run.point(point)
        seed_run.finish()
        seed_run.checker.close()
    return seed_run.runs


def summary(runs: Sequence[PointRun]) -> Table:
    """A table with one row per point, over all seeds."""
    table = Table("point", "runs", "kills", *COLUMNS)
    for name in dict.fromkeys(run.point.name for run in runs):
        table.add_row(name, *map(str, _figures([run for run in runs if run.point.name == name])))
    table.add_section()
    table.add_row("all", *map(str, _figures(runs)))
    return table


def _figures(runs: Sequence[PointRun]) -> Iterator[int]:
    yield len(runs)
    yield sum(run.killed for run in runs)
    yield from count_figures([(run.batch, run.result) for run in runs])


def _line(run: PointRun) -> str:
    assert run.result is not None
    died = f"died at hit {run.hit}" if run.killed else f"hit {run.hit} not reached"
    rest = "all well" if run.result.at_rest else f"{len(run.result.problems)} problems"
    waiting = f", {len(run.result.waiting)} wait with a reason" if run.result.waiting else ""
    return f"seed {run.seed}: {run.point.name}: {died}; {rest}{waiting}"


def seeds_of(text: str) -> list[int]:
    """The seeds in a text such as ``3``, ``1-3`` or ``1,4``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def points_of(text: str) -> list[Point]:
    """The points that a text selects: ``all``, or names and roles, separated by commas.

    Raises:
        SystemExit: The text selects no point.
    """
    chosen = [POINTS[name] for name in POINTS if text == "all" or {name, POINTS[name].role} & set(text.split(","))]
    if not chosen:
        raise SystemExit(f"no such point: {text}; there are all, person, sender, ingester, sink, {', '.join(POINTS)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 0 if no promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=[1], help="1-3")
    parser.add_argument("--points", type=points_of, default="all", help="all, or names and roles with commas")
    given = parser.parse_args(arguments)
    console, began = Console(width=None if sys.stdout.isatty() else 140), time.monotonic()
    runs: list[PointRun] = []
    for seed in given.seeds:
        folder = Path(tempfile.mkdtemp(prefix=f"smsflow-crash-{seed}-"))
        points = random.Random(seed).sample(given.points, len(given.points))
        with console.status(f"seed {seed}") as status:

            def report(text: str) -> None:
                line = f"{time.monotonic() - began:6.0f} s {text}"
                if _PROGRESS in text:
                    status.update(line)
                else:
                    console.print(line, highlight=False, markup=False, soft_wrap=True)

            runs += run_points(folder, seed, points, report)
        if all(run.result is not None and not run.result.problems for run in runs if run.seed == seed):
            shutil.rmtree(folder)
        else:
            console.print(f"data directory of the failure: {folder}")
    console.print(summary(runs))
    failed = [run for run in runs if run.result is None or run.result.problems]
    for run in failed:
        console.print(f"broken: --seeds {run.seed} --points {run.point.name} (hit {run.hit})", highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
