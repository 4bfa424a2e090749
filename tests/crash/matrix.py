"""Every crash point, over many seeds: ``python -m tests.crash.matrix --seeds 1-3 --points all``.

One system serves a whole seed. For each point its role is started anew, to die there, while messages of its own come
in; then its successor takes over. The verdict on those messages comes when they are at rest, while the next points run.
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

from tests.crash.crash_points import POINTS, Point
from tests.crash.figures import COLUMNS, figures
from tests.crash.history import Verdict
from tests.crash.load import Batch, Upstream, batch
from tests.crash.system import System, wait_for
from tests.crash.verdicts import REST_S, Court

PERSONS, EACH = 10, 3
RATE = 3.0
DEATH_S = 12.0
"""How long a point is waited for: longer than a scheduled message and the first look-up take."""
OUTAGE_S = 5.0
"""Longer than the ingester waits for the broker before it writes to its spool."""

_PROGRESS = "point"


@dataclass(slots=True)
class Run:
    """One point under one seed. ``verdict`` comes when its messages are at rest."""

    point: Point
    seed: int
    passage: int
    batch: Batch
    killed: bool = False
    ended_at: float = 0.0
    verdict: Verdict | None = None
    explanation: str = ""


@dataclass(slots=True)
class Trial:
    """One seed's runs on one system."""

    system: System
    seed: int
    court: Court
    upstream: Upstream
    tell: Callable[[str], None]
    runs: list[Run] = field(default_factory=list)

    def point(self, point: Point) -> Run:
        """Let the point's role die there and its successor take over."""
        number = len(self.runs)
        chance = random.Random(f"{self.seed}/{point.name}")
        name = f"{self.seed}.{number}"
        run = Run(point, self.seed, chance.randint(*point.passages), batch(name, name, number, PERSONS, EACH, stops=1))
        self.runs.append(run)
        self.system.kill(point.role)
        self.system.restart(point.role, f"{point.name}:{run.passage}")
        self._load(run)
        run.killed = self.system.await_death(point.role, DEATH_S)
        if not run.killed:
            self.system.kill(point.role)
        self.system.watch()
        run.ended_at = time.monotonic()
        self.judge()
        return run

    def _load(self, run: Run) -> None:
        if run.point.outage:
            self.system.disturb_callbacks(late=1.0, late_by_seconds=3)
        self.upstream.first_half(run.batch)
        if run.point.outage:
            accepted = self.system.accepted()
            wait_for(lambda: self.system.accepted() > accepted + 2, 5)
            self.system.bounce_kafka(OUTAGE_S)
            self.system.disturb_callbacks()
        self.upstream.stops(run.batch)
        self.upstream.second_half(run.batch)

    def judge(self) -> None:
        """Judge what is at rest, or should be."""
        self.court.read()
        for run in self.open():
            verdict = self.court.verdict(run.batch)
            if verdict.at_rest or time.monotonic() > run.ended_at + REST_S:
                run.verdict = verdict
                run.explanation = self.court.explain(run.batch, verdict) if verdict.problems else ""
                self.tell("\n".join(filter(None, (_line(run), run.explanation))))

    def finish(self) -> None:
        """Wait for the verdicts that are missing."""
        while self.open():
            self.system.watch()
            self.judge()

    def open(self) -> list[Run]:
        """Runs without a verdict."""
        return [run for run in self.runs if run.verdict is None]


def try_points(folder: Path, seed: int, points: Sequence[Point], tell: Callable[[str], None]) -> list[Run]:
    """All these points under one seed."""
    sink = any(point.role == "sink" for point in points)
    with System(folder, seed=seed, rate=RATE, sink=sink) as system:
        system.misbehave()
        trial = Trial(system, seed, Court(system), Upstream(system), tell)
        for number, point in enumerate(points, 1):
            tell(f"seed {seed}: {_PROGRESS} {number} of {len(points)}, {point.name}")
            trial.point(point)
        trial.finish()
        trial.court.close()
    return trial.runs


def summary(runs: Sequence[Run]) -> Table:
    """Per point, over all its seeds."""
    table = Table("point", "runs", "kills", *COLUMNS)
    for name in dict.fromkeys(run.point.name for run in runs):
        table.add_row(name, *map(str, _figures([run for run in runs if run.point.name == name])))
    table.add_section()
    table.add_row("all", *map(str, _figures(runs)))
    return table


def _figures(runs: Sequence[Run]) -> Iterator[int]:
    yield len(runs)
    yield sum(run.killed for run in runs)
    yield from figures([(run.batch, run.verdict) for run in runs])


def _line(run: Run) -> str:
    assert run.verdict is not None
    died = f"died at passage {run.passage}" if run.killed else f"passage {run.passage} not reached"
    rest = "all well" if run.verdict.at_rest else f"{len(run.verdict.problems)} problems"
    waiting = f", {len(run.verdict.waiting)} wait under a name" if run.verdict.waiting else ""
    return f"seed {run.seed}: {run.point.name}: {died}; {rest}{waiting}"


def seeds_of(text: str) -> list[int]:
    """``3`` or ``1-3`` or ``1,4``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def points_of(text: str) -> list[Point]:
    """``all``, or names and roles with commas. Raises SystemExit for an unknown one."""
    chosen = [POINTS[name] for name in POINTS if text == "all" or {name, POINTS[name].role} & set(text.split(","))]
    if not chosen:
        raise SystemExit(f"no such point: {text}; there are all, person, sender, ingester, sink, {', '.join(POINTS)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=[1], help="1-3")
    parser.add_argument("--points", type=points_of, default="all", help="all, or names and roles with commas")
    given = parser.parse_args(arguments)
    console, began = Console(width=None if sys.stdout.isatty() else 140), time.monotonic()
    runs: list[Run] = []
    for seed in given.seeds:
        folder = Path(tempfile.mkdtemp(prefix=f"smsflow-crash-{seed}-"))
        points = random.Random(seed).sample(given.points, len(given.points))
        with console.status(f"seed {seed}") as status:

            def tell(text: str) -> None:
                said = f"{time.monotonic() - began:6.0f} s {text}"
                if _PROGRESS in text:
                    status.update(said)
                else:
                    console.print(said, highlight=False, markup=False, soft_wrap=True)

            runs += try_points(folder, seed, points, tell)
        if all(run.verdict is not None and not run.verdict.problems for run in runs if run.seed == seed):
            shutil.rmtree(folder)
        else:
            console.print(f"kept: {folder}")
    console.print(summary(runs))
    failed = [run for run in runs if run.verdict is None or run.verdict.problems]
    for run in failed:
        console.print(f"broken: --seeds {run.seed} --points {run.point.name} (passage {run.passage})", highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
