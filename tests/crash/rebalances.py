"""Workers come, go, die and sleep, and so does Kafka: ``python -m tests.crash.rebalances --seeds 1-3 --moves 14``.

Three workers of each stage on one system. In each turn something happens to one of them, or to the broker, in the
middle of messages of the turn's own, while answers and callbacks get lost. The verdict on the messages comes when they
are at rest; the verdict on the calls (by the owner, on a living intent, once) and on the tables' writes at the end.
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
from tests.crash.calls import BadCall, Pause, bad_calls, instance_of
from tests.crash.figures import COLUMNS, figures
from tests.crash.history import Verdict
from tests.crash.load import Batch, Upstream, batch
from tests.crash.matrix import seeds_of
from tests.crash.owners import Owners
from tests.crash.system import System, role_of, wait_for
from tests.crash.verdicts import REST_S, Court

WORKERS, PERSONS, EACH, RATE = 3, 15, 4, 4.0
KAFKA = "Kafka"
CARDS = (*product(("person", "sender"), ("sleeps", "dies", "leaves")), (KAFKA, "dies"))
"""What happens, in an order of each seed's own: all of it once, then all of it again."""
MIDDLE = 8
"""So many messages of a turn are accepted before something happens."""
_PROGRESS = "turn"


@dataclass(slots=True)
class Turn:
    """One thing that happened, and the messages around it. ``whom``: a worker, or `KAFKA`."""

    seed: int
    move: str
    whom: str
    batch: Batch
    ended_at: float = 0.0
    verdict: Verdict | None = None
    explanation: str = ""

    @property
    def name(self) -> str:
        return f"{role_of(self.whom)} {self.move}"


@dataclass(slots=True)
class Round:
    """One seed's turns on one system."""

    system: System
    seed: int
    court: Court
    upstream: Upstream
    owners: Mapping[str, Owners]
    tell: Callable[[str], None]
    chance: random.Random
    turns: list[Turn] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)

    def turn(self, who: str, move: str) -> None:
        """Let something happen in the middle of messages."""
        number = len(self.turns)
        whom = who if who == KAFKA else self._victim(who)
        name = f"{self.seed}.{number}"
        turn = Turn(self.seed, move, whom, batch(name, name, number, PERSONS, EACH, stops=1))
        self.turns.append(turn)
        self.tell(f"seed {self.seed}: {_PROGRESS} {number + 1}, {whom} {move}")
        accepted = self.system.accepted()
        self.upstream.first_half(turn.batch)
        wait_for(lambda: self.system.accepted() >= accepted + MIDDLE, 10)
        self._move(turn)
        self.system.watch()
        turn.ended_at = time.monotonic()
        self.judge()

    def _move(self, turn: Turn) -> None:
        match turn.whom, turn.move:
            case "Kafka", _:
                self._rest_of(turn)
                self.system.bounce_kafka(self.chance.uniform(0, 4))
            case worker, "sleeps":
                self._sleep(worker, turn)
            case worker, "dies":
                self.system.kill(worker)
                self._rest_of(turn)
                self.system.restart(worker)
            case worker, _:
                self.system.leave(worker)
                self._rest_of(turn)
                if self.chance.random() < 0.5:  # else it is back before anybody has missed it
                    wait_for(lambda: not self._is_member(worker))
                self.system.restart(worker)

    def _sleep(self, worker: str, turn: Turn) -> None:
        """Until the group has given its partitions to others: longer than the session, and than any intent lives."""
        since = datetime.now(UTC)
        self.system.freeze(worker)
        self._rest_of(turn)
        assert wait_for(lambda: not self._is_member(worker)), f"{worker} sleeps and is not missed"
        self.pauses.append(Pause(worker, since, datetime.now(UTC)))
        self.system.thaw(worker)
        assert wait_for(lambda: self._is_member(worker)), f"{worker} woke and did not join: {self.system.fallen()}"

    def _rest_of(self, turn: Turn) -> None:
        self.upstream.stops(turn.batch)
        self.upstream.second_half(turn.batch)

    def _is_member(self, worker: str) -> bool:
        self.system.watch()
        return instance_of(worker) in self.owners[role_of(worker)].now().members

    def _victim(self, stage: str) -> str:
        """A worker that owns something now."""
        owning = set(self.owners[stage].now().owners.values())
        return self.chance.choice([name for name in sorted(self.system.roles) if instance_of(name) in owning])

    def judge(self) -> None:
        """Judge what is at rest, or should be."""
        self.court.read()
        for turn in self.open():
            verdict = self.court.verdict(turn.batch)
            if verdict.at_rest or time.monotonic() > turn.ended_at + REST_S:
                turn.verdict = verdict
                turn.explanation = self.court.explain(turn.batch, verdict) if verdict.problems else ""
                self.tell("\n".join(filter(None, (_line(turn), turn.explanation))))

    def finish(self) -> None:
        """Wait for the verdicts that are missing."""
        while self.open():
            self.system.watch()
            self.judge()

    def open(self) -> list[Turn]:
        """Turns without a verdict."""
        return [turn for turn in self.turns if turn.verdict is None]

    def bad_calls(self) -> list[BadCall]:
        """Every call that should not have been made."""
        owners = self.owners["sender"]
        owners.read()
        heard, checked_at = self.system.heard(), self.court.checked_at()
        return bad_calls(heard, owners.owner, self.court.intents, self.pauses, checked_at)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One seed: its turns, the bad calls, the tables' late writes, and how many calls were heard."""

    turns: Sequence[Turn]
    bad_calls: Sequence[BadCall]
    late_writes: Sequence[str]
    calls: int

    @property
    def well(self) -> bool:
        broken = any(turn.verdict is None or turn.verdict.problems for turn in self.turns)
        return not (broken or self.bad_calls or self.late_writes)


def play(folder: Path, seed: int, moves: int, tell: Callable[[str], None]) -> Outcome:
    """So many turns under one seed."""
    with System(folder, seed=seed, rate=RATE, workers=WORKERS) as system:
        court, bootstrap = Court(system), system.kafka.bootstrap
        owners = {
            "person": Owners(bootstrap, PERSON_APP, SMS_REQUESTS.name),
            "sender": Owners(bootstrap, SENDER_APP, SMS_DISPATCH_NORMAL.name),
        }
        assert wait_for(lambda: all(len(one.now().members) == WORKERS for one in owners.values()))
        system.misbehave()
        chance = random.Random(f"rebalances {seed}")
        this = Round(system, seed, court, Upstream(system), owners, tell, chance)
        decks = (chance.sample(CARDS, len(CARDS)) for _ in count())
        for who, move in islice(chain.from_iterable(decks), moves):
            this.turn(who, move)
        this.finish()
        outcome = Outcome(this.turns, this.bad_calls(), list(court.late_writes), len(system.heard()))
        for one in owners.values():
            one.close()
        court.close()
    return outcome


def summary(turns: Sequence[Turn]) -> Table:
    """Per kind of move, over all seeds."""
    table = Table("move", "turns", *COLUMNS)
    for name in sorted({turn.name for turn in turns}):
        table.add_row(name, *_figures([turn for turn in turns if turn.name == name]))
    table.add_section()
    table.add_row("all", *_figures(turns))
    return table


def _figures(turns: Sequence[Turn]) -> list[str]:
    return [str(len(turns)), *map(str, figures([(turn.batch, turn.verdict) for turn in turns]))]


def _line(turn: Turn) -> str:
    assert turn.verdict is not None
    rest = "all well" if turn.verdict.at_rest else f"{len(turn.verdict.problems)} problems"
    waiting = f", {len(turn.verdict.waiting)} wait under a name" if turn.verdict.waiting else ""
    return f"seed {turn.seed}: {turn.whom} {turn.move} ({turn.batch.name}): {rest}{waiting}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.rebalances", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=[1], help="1-3")
    parser.add_argument("--moves", type=int, default=2 * len(CARDS), help="per seed")
    given = parser.parse_args(arguments)
    console, began = Console(width=None if sys.stdout.isatty() else 140), time.monotonic()
    turns: list[Turn] = []
    broken: list[int] = []
    for seed in given.seeds:
        folder = Path(tempfile.mkdtemp(prefix=f"smsflow-rebalances-{seed}-"))
        with console.status(f"seed {seed}") as status:

            def tell(text: str) -> None:
                said = f"{time.monotonic() - began:6.0f} s {text}"
                status.update(said)
                if _PROGRESS not in text:
                    console.print(said, highlight=False, markup=False, soft_wrap=True)

            outcome = play(folder, seed, given.moves, tell)
        turns += outcome.turns
        for fault in (*outcome.bad_calls, *outcome.late_writes):
            console.print(str(fault), highlight=False, markup=False, soft_wrap=True)
        bad, late = len(outcome.bad_calls), len(outcome.late_writes)
        console.print(f"seed {seed}: {outcome.calls} calls, {bad} of them bad; {late} late writes", highlight=False)
        if outcome.well:
            shutil.rmtree(folder)
        else:
            broken.append(seed)
            console.print(f"kept: {folder}")
    console.print(summary(turns))
    for seed in broken:
        console.print(f"broken: --seeds {seed} --moves {given.moves}", highlight=False)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
