"""A replay sends only what certainly did not go out and may go out now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.enums import Outcome
from schemas.records import StatusChanged
from tests.builders import NOW, callback, inbound, request, result, seconds
from tests.processors.core.person.stage import Stage, dispatches, only, stage_with

HOUR = timedelta(hours=1)


def test_a_replay_sends_what_failed_for_a_passing_reason_once() -> None:
    stage = stage_with(deadline=NOW + seconds(1))
    stage.feed(result(outcome=Outcome.NOT_SENT, reason="expired"))
    again = replace(request(deadline=NOW + seconds(1)), replay_id="plan-1")
    assert dispatches(stage.feed(again)) == ["m1/2"]
    assert stage.feed(again) == []


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([result()], "accepted"),
        ([result(), callback("delivered")], "delivered"),
        ([result(), callback("undelivered", error_code=30003)], "accepted"),
        ([result(outcome=Outcome.UNKNOWN, intent_until=NOW)], "unknown"),
        ([result(outcome=Outcome.REJECTED, code=21610)], "opted_out"),
        ([result(outcome=Outcome.REJECTED, code=21211)], "permanent: "),
        ([result(outcome=Outcome.NOT_SENT, reason="expired"), inbound("STOP")], "opted_out"),
    ],
)
def test_a_replay_of_anything_else_is_refused_with_a_reason(inputs: list[Any], why: str) -> None:
    stage = stage_with()
    for record in inputs:
        stage.feed(record)
    records = stage.feed(request(replay_id="plan-1"))
    assert dispatches(records) == []
    refused = only(records, StatusChanged)
    assert refused.status == "replay_refused"
    assert (refused.reason or "").startswith(why)


def test_a_replay_does_not_send_an_old_one_time_password() -> None:
    stage = stage_with(message_class="otp", deadline=NOW + seconds(60))
    stage.feed(result(outcome=Outcome.REJECTED, code=20003))
    stage.now = NOW + HOUR
    assert only(stage.feed(request(message_class="otp", replay_id="p")), StatusChanged).reason == "expired"


def test_a_replay_of_a_dead_letter_is_a_first_request() -> None:
    assert dispatches(Stage().feed(request(replay_id="plan-1"))) == ["m1/1"]
