"""Records derived from a state: the same content has the same id."""

from __future__ import annotations

from datetime import timedelta

from schemas.records import Failed, MessageClass, StatusChanged
from tests.builders import callback, result
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
