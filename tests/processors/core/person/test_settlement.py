"""An unknown outcome is settled by evidence, and only then by the message class."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.enums import Action, Outcome
from schemas.records import Dispatch, Failed, Sent, StatusChanged
from schemas.states import Phase
from tests.builders import NOW, callback, request, result, seconds
from tests.processors.core.person.stage import (
    Stage,
    advance_to_wake_up,
    dispatches,
    only,
    stage_with,
    stage_with_unknown_outcome,
)


def test_an_unknown_answer_repeated_after_a_certain_one_changes_nothing() -> None:
    stage = stage_with()
    stage.feed(result())
    assert stage.feed(result(outcome=Outcome.UNKNOWN)) == []
    assert stage.messages["m1"].phase is Phase.ACCEPTED


def test_a_certain_answer_beats_an_unknown_one_whenever_it_comes() -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW + seconds(5)))
    assert only(stage.feed(result()), Sent).attempt == 1


def test_an_unknown_attempt_is_not_tried_again_but_looked_up() -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW + seconds(5)))
    wake_at = stage.messages["m1"].wake_at
    assert wake_at is not None
    assert wake_at >= NOW + seconds(5) + stage.policy.timing.call_timeout
    stage.now = wake_at
    look_up = only(stage.wake(), Dispatch)
    assert (look_up.attempt_id, look_up.action) == ("m1/1", Action.LOOK_UP)
    assert look_up.called_after is not None
    assert look_up.called_before is not None
    assert look_up.called_after < NOW < look_up.called_before


def test_a_look_up_that_finds_the_message_settles_it() -> None:
    stage = _stage_after_look_up(Stage(), Outcome.ACCEPTED)
    assert stage.messages["m1"].phase is Phase.ACCEPTED
    assert len(stage.published_of(Sent)) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({}, "outcome_unknown"), ({"message_class": "otp"}, "expired")],
)
def test_without_any_evidence_the_class_decides_and_nothing_is_sent_again(changes: dict[str, Any], reason: str) -> None:
    stage = _stage_after_all_look_ups(request(**changes))
    failed = only(stage.published, Failed)
    assert (failed.reason, failed.replayable) == (reason, False)
    assert {c.attempt for c in stage.published_of(Dispatch)} == {1}


def test_without_any_evidence_a_request_that_asked_for_it_is_sent_again() -> None:
    stage = _stage_after_all_look_ups(request(resend_if_unknown=True))
    assert dispatches(list(stage.published))[-1] == "m1/2"


def test_the_list_is_asked_at_least_once_however_late_the_stage_is() -> None:
    """The worker was away for longer than a message waits for evidence."""
    stage = stage_with()
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW))
    stage.now = NOW + timedelta(days=1)
    assert only(stage.wake(), Dispatch).action is Action.LOOK_UP

    absent = result(outcome=Outcome.ABSENT, action=Action.LOOK_UP)
    stage.feed(absent)
    assert only(stage.wake(), Failed).reason == "outcome_unknown"


def test_a_late_callback_settles_a_message_parked_as_unknown() -> None:
    stage = _stage_after_all_look_ups(request())
    records = stage.feed(callback("delivered"))
    assert only(records, Sent).sid == callback().message_sid
    assert only(records, StatusChanged).status == "delivered"
    assert stage.messages["m1"].failure is None


def test_a_callback_proves_acceptance_before_the_answer_arrives() -> None:
    stage = stage_with()
    records = stage.feed(callback("sent"))
    assert only(records, Sent).attempt == 1
    assert stage.feed(result()) == []


def test_a_message_ends_even_if_the_list_can_never_be_read() -> None:
    stage = stage_with_unknown_outcome(request())
    for _ in range(1000):
        if stage.messages["m1"].phase is Phase.FINISHED:
            break
        advance_to_wake_up(stage)
        stage.feed(result(action=Action.LOOK_UP, outcome=Outcome.UNKNOWN, reason="list_unavailable"))
    assert only(list(stage.published), Failed).reason == "outcome_unknown"
    assert stage.now <= NOW + stage.policy.timing.settle_by + 2 * stage.policy.timing.call_timeout


def _stage_after_look_up(stage: Stage, outcome: Outcome) -> Stage:
    stage = stage_with_unknown_outcome(request())
    advance_to_wake_up(stage)
    stage.feed(result(action=Action.LOOK_UP, outcome=outcome))
    return stage


def _stage_after_all_look_ups(first: Any) -> Stage:
    stage = stage_with_unknown_outcome(first)
    for _ in stage.policy.timing.look_ups:
        advance_to_wake_up(stage)
        stage.feed(result(action=Action.LOOK_UP, outcome=Outcome.ABSENT))
    advance_to_wake_up(stage)
    return stage
