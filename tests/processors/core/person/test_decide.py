"""One message's life through the person stage's door."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from processors.core.person.decision import UnprocessableRecord
from schemas.records import (
    Action,
    AttemptResult,
    ConsentState,
    Dispatch,
    Failed,
    MessageClass,
    Outcome,
    Price,
    Revocation,
    Sent,
    StatusChanged,
    TwilioCallback,
)
from schemas.states import Phase
from tests.builders import (
    NOW,
    NUMBER,
    PERSON,
    SERVICE,
    TOLL_FREE,
    callback,
    consent_change,
    inbound,
    list_entry,
    request,
    result,
    seconds,
)
from tests.processors.core.person.stage import Stage, dispatches, only, stage_with

HOUR = timedelta(hours=1)


def test_a_request_becomes_its_first_attempt() -> None:
    stage = Stage()
    command = only(stage.feed(request(body="für €5", tenant="shop")), Dispatch)
    assert (command.attempt_id, command.action, command.sender) == ("m1/1", Action.SEND, NUMBER)
    assert (command.person, command.body, command.tenant, command.segments) == (PERSON, "für €5", "shop", 1)


def test_the_same_request_again_says_nothing() -> None:
    stage = stage_with()
    assert stage.feed(request(requested_at=NOW + HOUR)) == []


def test_another_message_under_the_same_id_is_a_dead_letter() -> None:
    stage = stage_with()
    with pytest.raises(UnprocessableRecord, match="conflicting_message_id"):
        stage.feed(request(body="something else"))


def test_a_request_read_again_after_a_crash_repeats_its_dispatch() -> None:
    stage = stage_with()
    assert dispatches(stage.crash_and_read_again(1)) == ["m1/1"]


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"to": "12125550100"}, "not_e164", "to: "),
        ({"to": "+1212"}, "impossible_number", "too short"),
        ({"body": None}, "empty_message", "body: empty"),
        ({"body": "  "}, "empty_message", "white space"),
        ({"body": "x" * 1601}, "body_too_long", "1601 characters"),
        ({"sender": "+15005550999"}, "unknown_sender", NUMBER),
        ({"sender_pool": "nowhere"}, "unknown_sender", "service"),
        ({"sender": NUMBER, "sender_pool": "default"}, "ambiguous_sender", "sender and sender_pool"),
        ({"shorten_urls": True}, "shorten_urls_needs_service", "Messaging Service"),
        ({"content_variables": {"1": "x"}}, "variables_without_content", "content_sid"),
        ({"content_sid": "HX1"}, "two_contents", "body and content_sid"),
        ({"media_urls": ["https://x/y"] * 11}, "too_many_media", "11"),
        ({"validity_s": 0}, "bad_validity", "1 to 36000"),
        ({"time_zone": "Mars/Olympus"}, "unknown_time_zone", "IANA"),
        ({"deadline": NOW + HOUR, "send_at": NOW + 2 * HOUR}, "deadline_before_send_at", "deadline"),
        ({"deadline": NOW - HOUR}, "expired", "deadline"),
    ],
)
def test_a_request_that_cannot_be_sent_fails_with_the_field_and_the_fix(
    changes: dict[str, Any], reason: str, words: str
) -> None:
    said = Stage().feed(request(**changes))
    failed = only(said, Failed)
    assert failed.reason == reason
    assert words in failed.detail
    assert failed.request == request(**changes)
    assert dispatches(said) == []


@pytest.mark.parametrize("changes", [{"message_id": ""}, {"message_id": "a b"}, {"to": ""}, {"to": "+1\x00"}])
def test_a_request_that_cannot_even_be_remembered_is_a_dead_letter(changes: dict[str, str]) -> None:
    with pytest.raises(UnprocessableRecord):
        Stage().feed(request(**changes))


def test_send_at_waits_in_the_schedule_and_then_goes_out() -> None:
    stage = Stage()
    waiting = only(stage.feed(request(send_at=NOW + HOUR)), StatusChanged)
    assert (waiting.status, waiting.reason, waiting.until) == ("waiting", "send_at", NOW + HOUR)
    stage.now = NOW + HOUR
    assert dispatches(stage.wake()) == ["m1/1"]


def test_a_wake_up_repeated_after_a_crash_repeats_the_dispatch() -> None:
    """No record stands behind a wake-up: the dispatch it caused must come from the state."""
    stage = stage_with(send_at=NOW + HOUR)
    stage.now = NOW + HOUR
    stage.wake()
    from processors.core.person.decision import WakeUp

    assert dispatches(stage.feed(WakeUp(PERSON, "m1"))) == ["m1/1"]


def test_an_accepted_attempt_is_sent_with_estimate_and_times() -> None:
    stage = stage_with(body="x" * 161, campaign="spring", tags={"a": "b"})
    sent = only(stage.feed(result(called_at=NOW + seconds(1), answered_at=NOW + seconds(2))), Sent)
    assert (sent.segments, sent.encoding, sent.country, sent.campaign) == (2, "GSM-7", "US", "spring")
    assert sent.estimated_cost > 0
    assert (sent.requested_at, sent.called_at, sent.occurred_at) == (NOW, NOW + seconds(1), NOW + seconds(2))
    assert sent.tags == {"a": "b"}


def test_an_unknown_answer_repeated_after_a_certain_one_changes_nothing() -> None:
    stage = stage_with()
    stage.feed(result())
    assert stage.feed(result(outcome=Outcome.UNKNOWN)) == []
    assert stage.messages["m1"].phase is Phase.ACCEPTED


def test_a_certain_answer_beats_an_unknown_one_whenever_it_comes() -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW + seconds(5)))
    assert only(stage.feed(result()), Sent).attempt == 1


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


def test_retries_end_at_the_deadline_with_a_failure_a_replay_may_mend() -> None:
    stage = stage_with(deadline=NOW + seconds(1))
    failed = only(stage.feed(result(outcome=Outcome.NOT_SENT, reason="rate_limited", retry_after_ms=9000)), Failed)
    assert (failed.reason, failed.replayable) == ("expired", True)


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
    stage = _looked_up(Stage(), Outcome.ACCEPTED)
    assert stage.messages["m1"].phase is Phase.ACCEPTED
    assert len(stage.said(Sent)) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({}, "outcome_unknown"), ({"message_class": "otp"}, "expired")],
)
def test_without_any_evidence_the_class_decides_and_nothing_is_sent_again(changes: dict[str, Any], reason: str) -> None:
    stage = _looked_up_in_vain(request(**changes))
    failed = only(stage.published, Failed)
    assert (failed.reason, failed.replayable) == (reason, False)
    assert {c.attempt for c in stage.said(Dispatch)} == {1}


def test_without_any_evidence_a_request_that_asked_for_it_is_sent_again() -> None:
    stage = _looked_up_in_vain(request(resend_if_unknown=True))
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
    stage = _looked_up_in_vain(request())
    said = stage.feed(callback("delivered"))
    assert only(said, Sent).sid == callback().message_sid
    assert only(said, StatusChanged).status == "delivered"
    assert stage.messages["m1"].failure is None


def test_two_identical_texts_cannot_claim_one_message_of_the_list() -> None:
    stage = stage_with()
    stage.feed(request(message_id="m2"))
    stage.feed(result())
    stage.feed(result(message_id="m2", attempt_id="m2/1", outcome=Outcome.UNKNOWN, intent_until=NOW))
    found = result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP)
    stage.feed(found)
    assert stage.messages["m2"].phase is Phase.UNKNOWN
    wake_at = stage.messages["m2"].wake_at
    assert wake_at is not None
    stage.now = wake_at
    assert only(stage.wake(), Dispatch).claimed_sids == [result().sid]


def test_finding_anothers_message_says_nothing_of_ones_own_however_late_it_is() -> None:
    """After a long outage there is one look-up left: spent on a message that is another's by now, it is made again."""
    stage = stage_with()
    stage.feed(request(message_id="m2"))
    stage.feed(result(message_id="m2", attempt_id="m2/1", outcome=Outcome.UNKNOWN, intent_until=NOW))
    stage.now = NOW + timedelta(days=1)
    assert only(stage.wake(), Dispatch).claimed_sids == []
    stage.feed(result())

    stage.feed(result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP))

    again = only(stage.wake(), Dispatch)
    assert (again.attempt_id, again.action, again.claimed_sids) == ("m2/1", Action.LOOK_UP, [result().sid])
    mine = result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP, sid="SM" + "9" * 32)
    assert only(stage.feed(mine), Sent).sid == mine.sid


def _two_in_doubt(**changes: Any) -> Stage:
    """Of two attempts to one person no answer came, and the list shows one message; asked for m2, it is found."""
    stage = stage_with()
    stage.feed(request(message_id="m2", **changes))
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW))
    stage.feed(result(message_id="m2", attempt_id="m2/1", outcome=Outcome.UNKNOWN, intent_until=NOW))
    stage.feed(result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP))
    return stage


def test_one_message_of_the_list_does_not_say_which_of_two_identical_texts_it_is() -> None:
    """Given to the wrong one, it would hide that this was never sent."""
    stage = _two_in_doubt()
    assert stage.said(Sent) == []
    assert stage.messages["m2"].phase is Phase.UNKNOWN

    assert only(stage.feed(callback("delivered")), Sent).message_id == "m1"
    stage.feed(result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP))
    assert [sent.message_id for sent in stage.said(Sent)] == ["m1"]


@pytest.mark.parametrize("changes", [{"body": "another"}, {"sender": TOLL_FREE}], ids=["text", "sender"])
def test_another_text_or_sender_is_no_rival(changes: dict[str, str]) -> None:
    assert [sent.message_id for sent in _two_in_doubt(**changes).said(Sent)] == ["m2"]


def test_an_attempt_of_long_before_is_no_rival() -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW))
    stage.now = NOW + HOUR
    stage.feed(request(message_id="m2"))
    stage.feed(result(message_id="m2", attempt_id="m2/1", outcome=Outcome.UNKNOWN, intent_until=stage.now))
    stage.feed(result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP))
    assert [sent.message_id for sent in stage.said(Sent)] == ["m2"]


def test_a_callback_proves_acceptance_before_the_answer_arrives() -> None:
    stage = stage_with()
    said = stage.feed(callback("sent"))
    assert only(said, Sent).attempt == 1
    assert stage.feed(result()) == []


def test_a_late_callback_does_not_move_a_status_backwards() -> None:
    stage = stage_with()
    stage.feed(result())
    stage.feed(callback("delivered"))
    stage.feed(callback("sent"))
    assert stage.messages["m1"].status == "delivered"
    assert stage.messages["m1"].phase is Phase.FINISHED


def test_a_repeated_callback_says_nothing() -> None:
    stage = stage_with()
    stage.feed(callback("sent"))
    assert stage.feed(callback("sent", received_at=NOW + HOUR)) == []


def test_an_undelivered_message_fails_with_the_carriers_reason() -> None:
    stage = stage_with()
    stage.feed(result())
    said = stage.feed(callback("undelivered", error_code=30003))
    assert only(said, StatusChanged).final
    failed = only(said, Failed)
    assert (failed.error_code, failed.replayable, failed.sid) == (30003, False, result().sid)


def test_a_callback_of_a_message_nobody_knows_is_a_dead_letter() -> None:
    with pytest.raises(UnprocessableRecord, match="unknown_message"):
        Stage().feed(callback())


def test_an_event_without_attempt_id_is_matched_by_its_sid() -> None:
    stage = stage_with()
    stage.feed(result())
    assert only(stage.feed(callback("delivered", attempt_id=None)), StatusChanged).final
    assert stage.feed(callback("delivered", attempt_id=None, message_sid="SM" + "7" * 32)) == []


def test_the_list_brings_the_price_once() -> None:
    stage = stage_with()
    stage.feed(result())
    entry = list_entry(price=Decimal("0.0079"), currency="USD")
    price = only(stage.feed(entry), Price)
    assert (price.price, price.currency, price.segments) == (Decimal("0.0079"), "USD", 1)
    assert stage.feed(entry) == []


@pytest.mark.parametrize("evidence", [result(), callback("sent")], ids=["answer", "callback"])
def test_a_price_that_is_listed_before_the_sid_is_known_is_not_lost(evidence: AttemptResult | TwilioCallback) -> None:
    """The list shows it once, and may overtake the answer and every callback."""
    stage = stage_with()
    foreign = list_entry(message_sid="SM" + "9" * 32, price=Decimal("0.5"), currency="USD")
    assert stage.feed(list_entry(price=Decimal("0.0079"), currency="USD")) == []
    assert stage.feed(foreign) == []

    said = stage.feed(evidence)
    assert only(said, Price).price == Decimal("0.0079")
    assert [event.status for event in stage.said(StatusChanged) if event.final] == ["delivered"]
    assert stage.messages["m1"].pending_list_entries == []
    assert stage.feed(foreign) == []
    assert stage.messages["m1"].pending_list_entries == []


def test_what_is_listed_waits_for_as_long_as_an_answer_is_unknown() -> None:
    stage = stage_with()
    stage.feed(list_entry(price=Decimal("0.0079"), currency="USD"))
    stage.feed(result(outcome=Outcome.UNKNOWN))
    assert [entry.message_sid for entry in stage.messages["m1"].pending_list_entries] == [list_entry().message_sid]

    assert only(stage.feed(callback("delivered")), Price).price == Decimal("0.0079")


def test_the_list_shows_messages_of_others_and_they_say_nothing() -> None:
    assert stage_with().feed(list_entry(message_sid="SM" + "9" * 32)) == []


def test_a_stop_revokes_and_cancels_what_is_scheduled() -> None:
    stage = stage_with(send_at=NOW + HOUR)
    said = stage.feed(inbound("Stop!"))
    revocation = only(said, Revocation)
    assert (revocation.person, revocation.scope, revocation.revoked) == (PERSON, "all", True)
    failed = only(said, Failed)
    assert (failed.reason, failed.suppressed, failed.replayable) == ("opted_out", True, False)


def test_after_a_stop_nothing_passes_until_a_start() -> None:
    stage = Stage()
    stage.feed(inbound("STOP"))
    assert only(stage.feed(request()), Failed).reason == "opted_out"
    stage.feed(inbound("START", message_sid="SM2", received_at=NOW + seconds(1)))
    assert dispatches(stage.feed(request(message_id="m2"))) == ["m2/1"]


def test_a_stop_read_again_repeats_revocation_and_cancellations() -> None:
    stage = stage_with(send_at=NOW + HOUR)
    stage.feed(inbound("STOP"))
    said = stage.crash_and_read_again(1)
    assert only(said, Revocation).revoked
    assert only(said, Failed).reason == "opted_out"


def test_a_stop_for_a_program_leaves_the_others_alone() -> None:
    stage = Stage()
    stage.feed(consent_change(scope="program:offers"))
    assert only(stage.feed(request(program="offers")), Failed).reason == "opted_out"
    assert dispatches(stage.feed(request(message_id="m2", program="alerts"))) == ["m2/1"]


def test_an_older_opt_in_that_arrives_late_does_not_undo_a_stop() -> None:
    stage = Stage()
    stage.feed(inbound("STOP"))
    late = consent_change(ConsentState.OPTED_IN, change_id="web", occurred_at=NOW - HOUR)
    assert only(stage.feed(late), Revocation).revoked
    assert only(stage.feed(request()), Failed).reason == "opted_out"


@pytest.mark.parametrize("body", ["thanks!", "HELP", "yes we stop by later"])
def test_other_texts_change_nothing(body: str) -> None:
    assert stage_with().feed(inbound(body)) == []


def test_a_stop_only_twilio_knows_of_counts_here_too() -> None:
    stage = stage_with()
    said = stage.feed(result(outcome=Outcome.REJECTED, code=21610))
    assert only(said, Revocation).revoked
    assert only(said, Failed).reason == "opted_out"
    assert only(stage.feed(request(message_id="m2")), Failed).suppressed


def test_a_retry_waiting_when_the_stop_comes_is_cancelled() -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.NOT_SENT, reason="rate_limited"))
    assert only(stage.feed(inbound("STOP")), Failed).reason == "opted_out"
    stage.now = NOW + HOUR
    assert stage.wake() == []


def test_a_message_without_final_status_ends_with_a_named_one() -> None:
    from processors.core.person.decision import WakeUp

    stage = stage_with()
    stage.feed(result())
    stage.now = NOW + stage.policy.timing.status_within
    said = stage.feed(WakeUp(PERSON, "m1"))
    assert (only(said, StatusChanged).status, only(said, StatusChanged).final) == ("no_final_status", True)


def test_a_command_that_was_lost_does_not_hang_for_ever() -> None:
    """No answer, long after its deadline: Twilio's list is asked once, then the message has an end."""
    from processors.core.person.decision import WakeUp

    stage = stage_with(deadline=NOW + HOUR)
    stage.now = NOW + HOUR + stage.policy.timing.status_within - seconds(1)
    assert dispatches(stage.feed(WakeUp(PERSON, "m1"))) == ["m1/1"]
    stage.now += seconds(1)
    assert only(stage.feed(WakeUp(PERSON, "m1")), StatusChanged).reason == "outcome_unknown"
    stage.now += seconds(1)
    assert only(stage.wake(), Dispatch).action is Action.LOOK_UP
    stage.now += seconds(61)
    assert only(stage.wake(), Failed).reason == "outcome_unknown"
    assert dispatches(stage.feed(replace(request(deadline=NOW + HOUR), replay_id="p"))) == []


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
def test_a_replay_of_anything_else_is_refused_with_a_word(inputs: list[Any], why: str) -> None:
    stage = stage_with()
    for record in inputs:
        stage.feed(record)
    said = stage.feed(request(replay_id="plan-1"))
    assert dispatches(said) == []
    refused = only(said, StatusChanged)
    assert refused.status == "replay_refused"
    assert (refused.reason or "").startswith(why)


def test_a_replay_does_not_send_a_code_that_is_old() -> None:
    stage = stage_with(message_class="otp", deadline=NOW + seconds(60))
    stage.feed(result(outcome=Outcome.REJECTED, code=20003))
    stage.now = NOW + HOUR
    assert only(stage.feed(request(message_class="otp", replay_id="p")), StatusChanged).reason == "expired"


def test_a_list_that_cannot_be_read_does_not_hold_a_message_for_ever() -> None:
    stage = _unknown_stage(request())
    for _ in range(1000):
        if stage.messages["m1"].phase is Phase.FINISHED:
            break
        _advance(stage)
        stage.feed(result(action=Action.LOOK_UP, outcome=Outcome.UNKNOWN, reason="list_unavailable"))
    assert only(list(stage.published), Failed).reason == "outcome_unknown"
    assert stage.now <= NOW + stage.policy.timing.settle_by + 2 * stage.policy.timing.call_timeout


def test_a_replay_of_a_dead_letter_is_a_first_request() -> None:
    assert dispatches(Stage().feed(request(replay_id="plan-1"))) == ["m1/1"]


def test_a_pool_is_sticky_and_a_messaging_service_is_its_own_sender() -> None:
    stage = Stage()
    assert only(stage.feed(request(sender_pool="service")), Dispatch).sender == SERVICE
    assert only(stage.feed(request(message_id="m2", messaging_service=SERVICE)), Dispatch).sender == SERVICE


@pytest.mark.parametrize("known", [result(), result(outcome=Outcome.UNKNOWN)], ids=["accepted", "unknown"])
def test_a_stop_that_only_twilios_list_shows_counts_too(known: AttemptResult) -> None:
    """Its callback was lost."""
    stage = stage_with()
    stage.feed(known)
    stage.feed(list_entry(status="failed", error_code=21610))
    said = stage.feed(result())

    (entry,) = stage.consents[PERSON].history
    assert (entry.channel, entry.evidence) == ("twilio", "error 21610")
    assert stage.said(Revocation)[0].revoked
    assert not any(isinstance(record, Dispatch) for record in said)


def test_a_failure_told_twice_is_one_failure_and_a_different_one_is_another_event() -> None:
    stage = stage_with(message_class=MessageClass.MARKETING)
    stage.feed(result())
    for status, code in (("failed", 30003), ("undelivered", 30003), ("undelivered", 30005)):
        stage.now += HOUR
        stage.feed(callback(status, error_code=code, received_at=stage.now))
    failures = {event.event_id: event for event in stage.said(Failed)}

    assert len(stage.said(Failed)) == len(failures) == 2
    assert [event.error_code for event in failures.values()] == [30003, 30005]
    assert {event.event_id for event in stage.said(StatusChanged)} == {
        f"m1/1/status/{word}" for word in ("failed/30003", "undelivered/30003", "undelivered/30005")
    }


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


def test_a_toll_free_block_is_an_opt_out() -> None:
    """Source: https://www.twilio.com/docs/api/errors/30004: a toll-free STOP is kept by the network."""
    stage = stage_with(sender=TOLL_FREE)
    stage.feed(result(sender=TOLL_FREE))
    said = stage.feed(callback("undelivered", error_code=30004))
    assert only(said, Revocation).revoked


def _unknown_stage(first: Any) -> Stage:
    stage = stage_with(first)
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW + seconds(5)))
    return stage


def _advance(stage: Stage) -> None:
    wake_at = stage.messages["m1"].wake_at
    assert wake_at is not None
    stage.now = wake_at
    stage.wake()


def _looked_up(stage: Stage, outcome: Outcome) -> Stage:
    stage = _unknown_stage(request())
    _advance(stage)
    stage.feed(result(action=Action.LOOK_UP, outcome=outcome))
    return stage


def _looked_up_in_vain(first: Any) -> Stage:
    stage = _unknown_stage(first)
    for _ in stage.policy.timing.look_ups:
        _advance(stage)
        stage.feed(result(action=Action.LOOK_UP, outcome=Outcome.ABSENT))
    _advance(stage)
    return stage
