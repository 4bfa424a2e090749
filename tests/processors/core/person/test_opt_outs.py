"""Inbound texts, consent changes, and opt-outs that only Twilio reports."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.enums import Outcome
from schemas.records import AttemptResult, Dispatch, Failed, Revocation
from tests.builders import NOW, PERSON, inbound, list_entry, request, result
from tests.processors.core.person.stage import only, stage_with

HOUR = timedelta(hours=1)


def test_a_stop_revokes_and_cancels_what_is_scheduled() -> None:
    stage = stage_with(send_at=NOW + HOUR)
    records = stage.feed(inbound("Stop!"))
    revocation = only(records, Revocation)
    assert (revocation.person, revocation.scope, revocation.revoked) == (PERSON, "all", True)
    failed = only(records, Failed)
    assert (failed.reason, failed.suppressed, failed.replayable) == ("opted_out", True, False)


def test_a_stop_read_again_repeats_revocation_and_cancellations() -> None:
    stage = stage_with(send_at=NOW + HOUR)
    stage.feed(inbound("STOP"))
    records = stage.crash_and_read_again(1)
    assert only(records, Revocation).revoked
    assert only(records, Failed).reason == "opted_out"


@pytest.mark.parametrize("body", ["thanks!", "HELP", "yes we stop by later"])
def test_a_text_that_is_no_keyword_changes_nothing(body: str) -> None:
    assert stage_with().feed(inbound(body)) == []


def test_a_stop_only_twilio_knows_of_counts_here_too() -> None:
    stage = stage_with()
    records = stage.feed(result(outcome=Outcome.REJECTED, code=21610))
    assert only(records, Revocation).revoked
    assert only(records, Failed).reason == "opted_out"
    assert only(stage.feed(request(message_id="m2")), Failed).suppressed


def test_a_report_of_an_opt_out_read_again_repeats_what_it_ended() -> None:
    """The report ended another message too, whose end may not have been published before the crash."""
    stage = stage_with()
    stage.feed(request(message_id="m2", send_at=NOW + HOUR))
    first = stage.feed(result(outcome=Outcome.REJECTED, code=21610))
    again = stage.crash_and_read_again(1)

    for records in (first, again):
        assert {one.message_id for one in records if isinstance(one, Failed)} == {"m1", "m2"}
        assert {one.revoked for one in records if isinstance(one, Revocation)} == {True}


def test_a_report_of_an_opt_out_read_again_restores_a_consent_that_was_not_saved() -> None:
    """Consent and message have changelogs of their own: a crash may have come between the two writes."""
    stage = stage_with()
    stage.feed(result(outcome=Outcome.REJECTED, code=21610))
    del stage.consents[PERSON]
    records = stage.crash_and_read_again(1)

    assert only(records, Revocation).revoked
    assert [entry.evidence for entry in stage.consents[PERSON].history] == ["error 21610"]


def test_a_retry_waiting_when_the_stop_comes_is_cancelled() -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.NOT_SENT, reason="rate_limited"))
    assert only(stage.feed(inbound("STOP")), Failed).reason == "opted_out"
    stage.now = NOW + HOUR
    assert stage.wake() == []


@pytest.mark.parametrize("known", [result(), result(outcome=Outcome.UNKNOWN)], ids=["accepted", "unknown"])
def test_a_stop_that_only_twilios_list_shows_counts_too(known: AttemptResult) -> None:
    """Its callback was lost."""
    stage = stage_with()
    stage.feed(known)
    stage.feed(list_entry(status="failed", error_code=21610))
    records = stage.feed(result())

    (entry,) = stage.consents[PERSON].history
    assert (entry.channel, entry.evidence) == ("twilio", "error 21610")
    assert stage.published_of(Revocation)[0].revoked
    assert not any(isinstance(record, Dispatch) for record in records)
