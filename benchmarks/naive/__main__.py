"""Runs both sides, one after the other, and prints one table."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.naive.ours import Ours
from benchmarks.naive.schedule import EACH, Result, Schedule, run
from benchmarks.naive.usual import Usual

SIDES: dict[str, type[Usual | Ours]] = {"usual": Usual, "ours": Ours}


def table(results: Sequence[Result]) -> Table:
    """One row a side."""
    shown = Table(*(field.name.replace("_", " ") for field in fields(Result)))
    for result in results:
        shown.add_row(*map(str, astuple(result)))
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.naive", description=__doc__)
    parser.add_argument("--messages", type=int, default=400, help=f"a multiple of {EACH}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    given = parser.parse_args()
    schedule, results = Schedule.of(given.messages, given.seed), []
    for name in given.sides:
        folder = Path(tempfile.mkdtemp(prefix=f"smsflow-baseline-{name}-"))
        with SIDES[name](folder, given.seed) as side:
            results.append(run(side, schedule))
        shutil.rmtree(folder)
    Console(width=110).print(table(results))


if __name__ == "__main__":
    main()
