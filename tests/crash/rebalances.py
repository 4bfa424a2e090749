"""Workers pause, die and leave, and so does Kafka: ``python -m tests.crash.rebalances --seeds 1-3 --moves 14``.

Three workers of each stage run on one system. In each turn something happens to one of them, or to the broker, in the
middle of a batch of messages, while responses and callbacks get lost. The batch is checked when it is at rest. The
calls (by the owner, within the intent's life, once) and the tables' writes are checked at the end.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count, islice, product
from pathlib import Path

from rich.console import Console
from rich.table import Table

from processors.streaming.app import PERSON_APP, SENDER_APP
from schemas.topics import SMS_DISPATCH_NORMAL, SMS_REQUESTS
from tests.crash.batch_checker import REST_S, BatchChecker
from tests.crash.calls import BadCall, Pause, bad_calls, instance_of
from tests.crash.figures import COLUMNS, count_figures
from tests.crash.history import CheckResult
from tests.crash.load import Batch, LoadProducer, make_batch
from tests.crash.matrix import seeds_of
from tests.crash.owners import Owners
from tests.crash.system import System, role_of, wait_for

WORKERS, PERSONS, EACH, RATE = 3, 15, 4, 4.0
KAFKA = "Kafka"
MOVES = (*product(("person", "sender"), ("sleeps", "dies", "leaves")), (KAFKA, "dies"))
"""What can happen. Each seed shuffles the moves, makes all of them, and starts again."""
MOVE_AFTER = 8
"""How many messages of a turn are accepted before its move."""
_PROGRESS = "turn"


@dataclass(slots=True)
class Turn:
    """One move and its batch. ``whom``: a worker, or ``KAFKA``."""

    seed: int
    move: str
    whom: str
    batch: Batch
    ended_at: float = 0.0
    result: CheckResult | None = None
    explanation: str = ""

    @property
    def name(self) -> str:
        return f"{role_of(self.whom)} {self.move}"


@dataclass(slots=True)
class SeedRun:
    """All turns of one seed, on one system."""

    system: System
    seed: int
    checker: BatchChecker
    load: LoadProducer
    owners: Mapping[str, Owners]
    report: Callable[[str], None]
    rng: random.Random
    turns: list[Turn] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)

    def turn(self, who: str, move: str) -> None:
        """Make one move in the middle of a batch."""
        number = len(self.turns)
        whom = who if who == KAFKA else self._victim(who)
        name = f"{self.seed}.{number}"
        turn = Turn(self.seed, move, whom, make_batch(name, name, number, PERSONS, EACH, stops=1))
        self.turns.append(turn)
        self.report(f"seed {self.seed}: {_PROGRESS} {number + 1}, {whom} {move}")
        accepted = self.system.accepted()
        self.load.publish_first_half(turn.batch)
        wait_for(lambda: self.system.accepted() >= accepted + MOVE_AFTER, 10)
        self._move(turn)
        self.system.restart_ended()
        turn.ended_at = time.monotonic()
        self.check_open()

    def _move(self, turn: Turn) -> None:
        match turn.whom, turn.move:
            case "Kafka", _:
                self._rest_of(turn)
                self.system.bounce_kafka(self.rng.uniform(0, 4))
            case worker, "sleeps":
                self._sleep(worker, turn)
            case worker, "dies":
                self.system.kill(worker)
                self._rest_of(turn)
                self.system.restart(worker)
            case worker, _:
                self.system.leave(worker)
                self._rest_of(turn)
                if self.rng.random() < 0.5:  # else it is back before anybody has missed it
                    wait_for(lambda: not self._is_member(worker))
                self.system.restart(worker)

    def _sleep(self, worker: str, turn: Turn) -> None:
        """Pause a worker until the group has given its partitions away, which takes longer than any intent lives."""
        since = datetime.now(UTC)
        self.system.freeze(worker)
        self._rest_of(turn)
        assert wait_for(lambda: not self._is_member(worker)), f"{worker} sleeps and is not missed"
        self.pauses.append(Pause(worker, since, datetime.now(UTC)))
        self.system.thaw(worker)
        assert wait_for(lambda: self._is_member(worker)), (
            f"{worker} woke and did not join: {self.system.exit_reports()}"
        )

    def _rest_of(self, turn: Turn) -> None:
        self.load.publish_stops(turn.batch)
        self.load.publish_second_half(turn.batch)

    def _is_member(self, worker: str) -> bool:
        self.system.restart_ended()
        return instance_of(worker) in self.owners[role_of(worker)].now().members

    def _victim(self, stage: str) -> str:
        """A worker of the stage that owns a partition now."""
        owning = set(self.owners[stage].now().owners.values())
        return self.rng.choice([name for name in sorted(self.system.roles) if instance_of(name) in owning])

    def check_open(self) -> None:
        """Check every batch without a result; set the result of those that are at rest, or should be."""
        self.checker.read()
        for turn in self.open():
            result = self.checker.check(turn.batch)
            if result.at_rest or time.monotonic() > turn.ended_at + REST_S:
                turn.result = result
                turn.explanation = self.checker.explain(turn.batch, result) if result.problems else ""
                self.report("\n".join(filter(None, (_line(turn), turn.explanation))))

    def finish(self) -> None:
        """Wait until every turn has a result."""
        while self.open():
            self.system.restart_ended()
            self.check_open()

    def open(self) -> list[Turn]:
        """Turns without a result."""
        return [turn for turn in self.turns if turn.result is None]

    def bad_calls(self) -> list[BadCall]:
        """Every call that should not have been made."""
        owners = self.owners["sender"]
        owners.read()
        calls, checked_at = self.system.recorded_calls(), self.checker.checked_at()
        return bad_calls(calls, owners.owner, self.checker.intents, self.pauses, checked_at)


@dataclass(frozen=True, slots=True)
class SeedResult:
    """The result of one seed: its turns, the bad calls, the tables' late writes, and the number of calls."""

    turns: Sequence[Turn]
    bad_calls: Sequence[BadCall]
    late_writes: Sequence[str]
    calls: int

    @property
    def well(self) -> bool:
        broken = any(turn.result is None or turn.result.problems for turn in self.turns)
        return not (broken or self.bad_calls or self.late_writes)


def run_seed(folder: Path, seed: int, moves: int, report: Callable[[str], None]) -> SeedResult:
    """Make so many moves under one seed."""
    with System(folder, seed=seed, rate=RATE, workers=WORKERS) as system:
        checker, bootstrap = BatchChecker(system), system.kafka.bootstrap
        owners = {
            "person": Owners(bootstrap, PERSON_APP, SMS_REQUESTS.name),
            "sender": Owners(bootstrap, SENDER_APP, SMS_DISPATCH_NORMAL.name),
        }
        assert wait_for(lambda: all(len(one.now().members) == WORKERS for one in owners.values()))
        system.arm_faults()
        rng = random.Random(f"rebalances {seed}")
        run = SeedRun(system, seed, checker, LoadProducer(system), owners, report, rng)
        rounds = (rng.sample(MOVES, len(MOVES)) for _ in count())
        for who, move in islice(chain.from_iterable(rounds), moves):
            run.turn(who, move)
        run.finish()
        outcome = SeedResult(run.turns, run.bad_calls(), list(checker.late_writes), len(system.recorded_calls()))
        for one in owners.values():
            one.close()
        checker.close()
    return outcome


def summary(turns: Sequence[Turn]) -> Table:
    """A table with one row per kind of move, over all seeds."""
    table = Table("move", "turns", *COLUMNS)
    for name in sorted({turn.name for turn in turns}):
        table.add_row(name, *_figures([turn for turn in turns if turn.name == name]))
    table.add_section()
    table.add_row("all", *_figures(turns))
    return table


def _figures(turns: Sequence[Turn]) -> list[str]:
    return [str(len(turns)), *map(str, count_figures([(turn.batch, turn.result) for turn in turns]))]


def _line(turn: Turn) -> str:
    assert turn.result is not None
    rest = "all well" if turn.result.at_rest else f"{len(turn.result.problems)} problems"
    waiting = f", {len(turn.result.waiting)} wait with a reason" if turn.result.waiting else ""
    return f"seed {turn.seed}: {turn.whom} {turn.move} ({turn.batch.name}): {rest}{waiting}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 0 if no promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.rebalances", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=[1], help="1-3")
    parser.add_argument("--moves", type=int, default=2 * len(MOVES), help="per seed")
    given = parser.parse_args(arguments)
    console, began = Console(width=None if sys.stdout.isatty() else 140), time.monotonic()
    turns: list[Turn] = []
    broken: list[int] = []
    for seed in given.seeds:
        folder = Path(tempfile.mkdtemp(prefix=f"smsflow-rebalances-{seed}-"))
        with console.status(f"seed {seed}") as status:

            def report(text: str) -> None:
                line = f"{time.monotonic() - began:6.0f} s {text}"
                status.update(line)
                if _PROGRESS not in text:
                    console.print(line, highlight=False, markup=False, soft_wrap=True)

            outcome = run_seed(folder, seed, given.moves, report)
        turns += outcome.turns
        for fault in (*outcome.bad_calls, *outcome.late_writes):
            console.print(str(fault), highlight=False, markup=False, soft_wrap=True)
        bad, late = len(outcome.bad_calls), len(outcome.late_writes)
        console.print(f"seed {seed}: {outcome.calls} calls, {bad} of them bad; {late} late writes", highlight=False)
        if outcome.well:
            shutil.rmtree(folder)
        else:
            broken.append(seed)
            console.print(f"data directory of the failure: {folder}")
    console.print(summary(turns))
    for seed in broken:
        console.print(f"broken: --seeds {seed} --moves {given.moves}", highlight=False)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
