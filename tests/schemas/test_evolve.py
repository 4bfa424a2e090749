"""A changed copy is what ``dataclasses.replace`` would have made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from schemas.evolve import evolve
from schemas.records import Outcome
from tests.builders import NOW, dispatch, seconds


def test_a_changed_copy_differs_in_what_was_changed_alone() -> None:
    old = dispatch()
    changes: dict[str, Any] = {"body": "other", "deadline": NOW + seconds(5)}

    assert evolve(old, **changes) == replace(old, **changes)
    assert evolve(old) == old
    assert evolve(old) is not old
    assert old == dispatch()


@dataclass(frozen=True, slots=True)
class One:
    field: int


@dataclass(frozen=True, slots=True)
class Checked:
    field: int

    def __post_init__(self) -> None:
        assert self.field > 0


def test_a_record_of_one_field_is_copied_too() -> None:
    assert evolve(One(1), field=2) == One(2)


def test_a_field_that_does_not_exist_is_named() -> None:
    with pytest.raises(TypeError, match="Dispatch has no field 'outcome'"):
        evolve(dispatch(), outcome=Outcome.ACCEPTED)


def test_a_record_that_checks_itself_is_not_copied_past_its_check() -> None:
    with pytest.raises(TypeError, match="__post_init__"):
        evolve(Checked(1), field=0)
