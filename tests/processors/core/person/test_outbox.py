"""Records derived from a state: the same content has the same id."""

from __future__ import annotations

from datetime import timedelta

from processors.core.person import outbox
from schemas.enums import MessageClass, Outcome
from schemas.records import Dispatch, Failed, StatusChanged
from tests.builders import NOW, callback, request, result
from tests.processors.core.person.stage import stage_with

HOUR = timedelta(hours=1)


def test_a_failure_reported_twice_is_one_event_and_a_different_one_is_another() -> None:
    stage = stage_with(message_class=MessageClass.MARKETING)
    stage.feed(result())
    for status, code in (("failed", 30003), ("undelivered", 30003), ("undelivered", 30005)):
        stage.now += HOUR
        stage.feed(callback(status, error_code=code, received_at=stage.now))
    failures = {event.event_id: event for event in stage.published_of(Failed)}

    assert len(stage.published_of(Failed)) == len(failures) == 2
    assert [event.error_code for event in failures.values()] == [30003, 30005]
    assert {event.event_id for event in stage.published_of(StatusChanged)} == {
        f"m1/1/status/{word}" for word in ("failed/30003", "undelivered/30003", "undelivered/30005")
    }


def test_a_state_adds_nothing_to_itself() -> None:
    stage = stage_with()
    stage.feed(result())
    stage.feed(callback("undelivered", error_code=30003))
    state = stage.messages["m1"]
    assert outbox.added(state, state, frozenset()) == []


def test_all_records_are_what_the_states_added_one_by_one() -> None:
    """So a repetition after a crash publishes nothing that was not published before, and leaves nothing out."""
    stage = stage_with()
    stage.feed(result())
    stage.feed(callback("sent"))
    stage.feed(callback("undelivered", error_code=30003))
    events = [record for record in stage.published if not isinstance(record, Dispatch)]
    assert [outgoing.record for outgoing in outbox.all_records(stage.messages["m1"], frozenset())] == events


def test_a_failure_after_a_replay_is_another_event() -> None:
    stage = stage_with(deadline=NOW)
    stage.feed(request(deadline=NOW, replay_id="plan-1"))
    stage.feed(result(outcome=Outcome.NOT_SENT, reason="expired"))
    assert [event.event_id for event in stage.published_of(Failed)] == [
        "m1/0/failed/expired/0",
        "m1/1/failed/expired/1",
    ]
