"""The crash points themselves: that each is there, that only the named one kills, and that nothing does by default."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.crash_points import POINTS, Point, UnknownPoint, When, arm, arm_at, find

HERE = f"{__name__}:Victim"


class Victim:
    """Something with steps."""

    def step(self, number: int) -> int:
        return number + 1

    async def awaited(self, number: int) -> int:
        return number + 1


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The victim's methods come back after the test."""
    for name in ("step", "awaited"):
        monkeypatch.setattr(Victim, name, getattr(Victim, name))


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_every_point_names_a_function_that_exists(point: Point) -> None:
    owner, name = find(point.place)

    assert callable(getattr(owner, name))


def test_there_are_points_in_every_role() -> None:
    assert len(POINTS) >= 40
    assert {point.role for point in POINTS.values()} == {"person", "sender", "ingester", "sink"}


@pytest.mark.usefixtures("restored")
async def test_the_nth_passage_dies_and_no_other() -> None:
    died: list[str] = []
    arm_at(Point("a", f"{HERE}.step", When.BEFORE), 2, died.append)
    arm_at(Point("b", f"{HERE}.awaited", When.AFTER), 1, died.append)
    victim = Victim()

    assert [victim.step(1), *died] == [2]
    assert [victim.step(1), *died] == [2, "a:2"]
    assert [victim.step(1), *died] == [2, "a:2"]
    assert [await victim.awaited(1), *died] == [2, "a:2", "b:1"]


@pytest.mark.usefixtures("restored")
def test_a_point_of_one_topic_is_passed_only_while_its_records_are_handled() -> None:
    died: list[str] = []
    arm_at(Point("a", f"{HERE}.step", When.BEFORE, on="sms-requests"), 1, died.append)
    Victim().step(1)

    assert died == []


@pytest.mark.parametrize(
    "named", ["sender.intent_saved", "sender.intent_saved:0", "sender.intent_saved:x", "no.point:1", ""]
)
def test_a_point_that_cannot_be_is_refused(named: str) -> None:
    with pytest.raises(UnknownPoint, match="expected name:hit"):
        arm({"CRASH_AT": named})


def test_without_the_variable_no_function_is_touched() -> None:
    places = [find(point.place) for point in POINTS.values()]
    before = [getattr(owner, name) for owner, name in places]
    arm({})

    assert [getattr(owner, name) for owner, name in places] == before


def test_a_named_point_kills_the_process_as_kill_9_does() -> None:
    """Even `finally` does not run."""
    script = (
        "from tests.crash import crash_points\n"
        "from processors.core.sender import decide\n"
        "crash_points.arm()\n"
        "try:\n"
        "    decide.refuse_attempt(*given)\n"
        "finally:\n"
        "    print('still here')\n"
    )
    given = "from tests.builders import NOW, dispatch\ngiven = (dispatch(), 'why', NOW)\n"
    ended = subprocess.run(
        [sys.executable, "-c", given + script],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd()), "CRASH_AT": "sender.refused:1"},
    )

    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")
    assert b"crash point sender.refused:1" in ended.stderr
