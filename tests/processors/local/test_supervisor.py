"""The supervisor's promises, on parts that live and die on command."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from processors.local.supervisor import HEALTHY_AFTER_S, LONGEST_PAUSE_S, READY_TIMEOUT_S, StartError, Supervisor


@dataclass
class FakePart:
    """A part that serves at once unless told otherwise; ``told`` collects what is done to all of them."""

    name: str
    told: list[str]
    silent: bool = False
    stillborn: bool = False
    stubborn: bool = False
    living: bool = False

    def start(self) -> None:
        self.told.append(f"start {self.name}")
        self.living = not self.stillborn

    def ready(self) -> str | None:
        return "here" if self.living and not self.silent else None

    def alive(self) -> bool:
        return self.living

    def stop(self) -> None:
        self.told.append(f"stop {self.name}")
        if self.stubborn:
            raise RuntimeError(f"{self.name} will not go")
        self.living = False

    def exit_report(self) -> str:
        return "its last words"


@dataclass
class Scene:
    """A supervisor whose time passes when it sleeps."""

    now: float = 0.0
    told: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.shown.append, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def part(self, name: str, **how: bool) -> FakePart:
        return FakePart(name, self.told, **how)

    def watch_for(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.supervisor.watch()
            self.now += 0.25


def test_parts_start_in_order_and_stop_in_reverse() -> None:
    scene = Scene()
    scene.supervisor.start(scene.part("kafka"))
    scene.supervisor.start(scene.part("sink"), scene.part("worker"))
    scene.supervisor.stop()
    assert scene.told == ["start kafka", "start sink", "start worker", "stop worker", "stop sink", "stop kafka"]
    assert scene.shown[0] == "kafka ready on here (0.0 s)"


def test_a_part_that_dies_is_started_again_after_a_pause_that_grows() -> None:
    scene = Scene()
    part = scene.part("worker")
    scene.supervisor.start(part)
    starts = []
    for _ in range(9):
        part.living = False
        fell = scene.now
        while not part.living:
            scene.watch_for(0.25)
        starts.append(scene.now - fell)
    assert starts == sorted(starts)
    assert starts[0] <= 1
    assert LONGEST_PAUSE_S <= starts[-1] <= LONGEST_PAUSE_S + 1


def test_a_part_that_ran_long_enough_is_started_again_quickly() -> None:
    scene = Scene()
    part = scene.part("worker")
    scene.supervisor.start(part)
    for _ in range(5):
        part.living = False
        scene.watch_for(40)
    scene.watch_for(HEALTHY_AFTER_S)
    part.living = False
    scene.watch_for(1)
    assert part.living


def test_a_successor_is_not_started_while_its_predecessor_lives() -> None:
    scene = Scene()
    scene.supervisor.start(scene.part("worker"))
    scene.watch_for(120)
    assert scene.told == ["start worker"]


@pytest.mark.parametrize(("how", "says"), [({"stillborn": True}, "ended before"), ({"silent": True}, "is not ready")])
def test_a_part_that_does_not_come_up_is_named_with_its_last_words(how: dict[str, bool], says: str) -> None:
    scene = Scene()
    with pytest.raises(StartError, match=f"worker {says}.*its last words"):
        scene.supervisor.start(scene.part("worker", **how))
    assert scene.now <= READY_TIMEOUT_S + 1


def test_what_was_started_before_a_failure_is_stopped_too() -> None:
    scene = Scene()
    scene.supervisor.start(scene.part("kafka"))
    with pytest.raises(StartError):
        scene.supervisor.start(scene.part("sink"), scene.part("worker", stillborn=True))
    scene.supervisor.stop()
    assert scene.told[-3:] == ["stop worker", "stop sink", "stop kafka"]


def test_one_stubborn_part_does_not_keep_the_others_running() -> None:
    scene = Scene()
    scene.supervisor.start(scene.part("kafka"), scene.part("sink", stubborn=True), scene.part("worker"))
    with pytest.raises(ExceptionGroup) as caught:
        scene.supervisor.stop()
    assert scene.told[-1] == "stop kafka"
    assert [str(error) for error in caught.value.exceptions] == ["sink will not go"]
