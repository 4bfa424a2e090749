"""After a failed attempt: the next attempt, or an end with a reason."""

from __future__ import annotations

import pytest

from schemas.enums import Outcome
from schemas.records import Failed, Revocation, StatusChanged
from schemas.states import Phase
from tests.builders import NOW, TOLL_FREE, callback, result, seconds
from tests.processors.core.person.stage import dispatches, only, stage_with


def test_a_refused_number_fails_for_good() -> None:
    stage = stage_with()
    failed = only(stage.feed(result(outcome=Outcome.REJECTED, code=21211)), Failed)
    assert failed.error_code == 21211
    assert not failed.replayable


def test_what_was_certainly_not_sent_is_tried_again_as_the_next_attempt() -> None:
    stage = stage_with()
    waiting = only(stage.feed(result(outcome=Outcome.NOT_SENT, reason="rate_limited")), StatusChanged)
    assert waiting.reason == "back_off"
    assert waiting.until is not None
    stage.now = waiting.until
    assert dispatches(stage.wake()) == ["m1/2"]


def test_retries_end_at_the_deadline_with_a_failure_that_a_replay_may_send() -> None:
    stage = stage_with(deadline=NOW + seconds(1))
    failed = only(stage.feed(result(outcome=Outcome.NOT_SENT, reason="rate_limited", retry_after_ms=9000)), Failed)
    assert (failed.reason, failed.replayable) == ("expired", True)


def test_an_undelivered_message_fails_with_the_carriers_reason() -> None:
    stage = stage_with()
    stage.feed(result())
    records = stage.feed(callback("undelivered", error_code=30003))
    assert only(records, StatusChanged).final
    failed = only(records, Failed)
    assert (failed.error_code, failed.replayable, failed.sid) == (30003, False, result().sid)


def test_a_second_report_of_a_failure_does_not_move_the_next_attempt() -> None:
    stage = stage_with()
    stage.feed(result())
    stage.feed(callback("failed", error_code=30001))
    first = stage.messages["m1"]
    stage.now += seconds(1)
    stage.feed(callback("undelivered", error_code=30001))
    second = stage.messages["m1"]

    assert (second.phase, second.wait_reason) == (Phase.WAITING, "back_off")
    assert (second.wake_at, second.wait_since) == (first.wake_at, first.wait_since)


@pytest.mark.parametrize("last_received", [180, 30], ids=["in order", "spooled"])
def test_a_failure_that_counts_again_repeats_its_event(last_received: float) -> None:
    """Carriers that contradict themselves: an event id never gets a second content."""
    stage = stage_with()
    stage.feed(result())
    reports = [("failed", 30008, 60), ("undelivered", 30003, 120), ("undelivered", 30008, last_received)]
    failures: list[Failed] = []
    for status, code, received in reports:
        stage.now += seconds(60)
        report = callback(status, error_code=code, received_at=NOW + seconds(received))
        failures.append(only(stage.feed(report), Failed))

    assert [failed.error_code for failed in failures] == [30008, 30003, 30008]
    assert failures[2] == failures[0]
    assert failures[0].occurred_at == NOW + seconds(60)


def test_a_failure_that_a_delivery_took_back_keeps_its_time() -> None:
    stage = stage_with()
    stage.feed(result())
    stage.feed(callback("failed", error_code=30003, received_at=NOW))
    stage.now += seconds(60)
    stage.feed(callback("delivered", received_at=stage.now))
    stage.feed(callback("undelivered", error_code=30003, received_at=stage.now))

    assert stage.messages["m1"].status == "delivered"
    assert stage.messages["m1"].failed_at is None


def test_a_toll_free_block_is_an_opt_out() -> None:
    """Source: https://www.twilio.com/docs/api/errors/30004: a toll-free STOP is kept by the network."""
    stage = stage_with(sender=TOLL_FREE)
    stage.feed(result(sender=TOLL_FREE))
    records = stage.feed(callback("undelivered", error_code=30004))
    assert only(records, Revocation).revoked
