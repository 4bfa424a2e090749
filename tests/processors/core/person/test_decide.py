"""Repetition and unknown messages: what is decided before a message changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processors.core.person.decision import UnprocessableRecord, WakeUp
from schemas.records import StatusChanged
from tests.builders import NOW, PERSON, callback, request, result
from tests.processors.core.person.stage import Stage, dispatches, only, stage_with

HOUR = timedelta(hours=1)


def test_the_same_request_again_publishes_nothing() -> None:
    stage = stage_with()
    assert stage.feed(request(requested_at=NOW + HOUR)) == []


def test_another_message_under_the_same_id_is_a_dead_letter() -> None:
    stage = stage_with()
    with pytest.raises(UnprocessableRecord, match="conflicting_message_id"):
        stage.feed(request(body="something else"))


def test_a_request_read_again_after_a_crash_repeats_its_dispatch() -> None:
    stage = stage_with()
    assert dispatches(stage.crash_and_read_again(1)) == ["m1/1"]


def test_a_wake_up_repeated_after_a_crash_repeats_the_dispatch() -> None:
    """No record stands behind a wake-up: the dispatch it caused must come from the state."""
    stage = stage_with(send_at=NOW + HOUR)
    stage.now = NOW + HOUR
    stage.wake()
    assert dispatches(stage.feed(WakeUp(PERSON, "m1"))) == ["m1/1"]


def test_a_callback_of_an_unknown_message_is_a_dead_letter() -> None:
    with pytest.raises(UnprocessableRecord, match="unknown_message"):
        Stage().feed(callback())


def test_an_event_without_attempt_id_is_matched_by_its_sid() -> None:
    stage = stage_with()
    stage.feed(result())
    assert only(stage.feed(callback("delivered", attempt_id=None)), StatusChanged).final
    assert stage.feed(callback("delivered", attempt_id=None, message_sid="SM" + "7" * 32)) == []
