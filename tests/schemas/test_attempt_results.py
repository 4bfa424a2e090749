"""A result repeats what names its command, and no more of others' words than it must."""

from __future__ import annotations

from schemas.attempt_results import MAX_DETAIL_CHARS, attempt_result
from schemas.enums import Action, Outcome
from schemas.records import AttemptResult
from tests.builders import NOW, dispatch


def test_a_result_has_its_commands_names() -> None:
    command = dispatch(attempt_id="m7/2", message_id="m7", attempt=2, action=Action.LOOK_UP)

    assert attempt_result(command, Outcome.ABSENT, NOW, reason="not_in_list") == AttemptResult(
        attempt_id="m7/2",
        message_id="m7",
        attempt=2,
        action=Action.LOOK_UP,
        person=command.person,
        sender=command.sender,
        outcome=Outcome.ABSENT,
        reason="not_in_list",
        answered_at=NOW,
    )


def test_a_long_detail_is_cut_and_an_empty_one_is_none() -> None:
    long = attempt_result(dispatch(), Outcome.REJECTED, NOW, detail="x" * 10_000)

    assert long.detail == "x" * MAX_DETAIL_CHARS
    assert attempt_result(dispatch(), Outcome.REJECTED, NOW, detail="").detail is None
