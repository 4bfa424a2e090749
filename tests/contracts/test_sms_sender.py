"""The contract of ``SmsSender``: one call, at most once, and only what is certain of it."""

from __future__ import annotations

from schemas.enums import Action, Outcome
from schemas.records import AttemptResult
from tests.builders import NOW, NUMBER, PERSON, dispatch, seconds
from tests.contracts.twilio_fixtures import TwilioFixture


def pass_() -> None:
    """A last check without objection."""


async def test_an_accepted_message_is_named(twilio: TwilioFixture) -> None:
    answer = await twilio.sender.send(dispatch(), pass_)

    assert answer.sid is not None
    assert answer == AttemptResult(
        attempt_id="m1/1",
        message_id="m1",
        attempt=1,
        action=Action.SEND,
        person=PERSON,
        sender=NUMBER,
        outcome=Outcome.ACCEPTED,
        sid=answer.sid,
        status="queued",
        answered_at=NOW,
    )
    assert twilio.accepted() == [(PERSON, "hello")]


async def test_a_messaging_service_accepts_before_it_queues(twilio: TwilioFixture) -> None:
    answer = await twilio.sender.send(dispatch(sender=twilio.service), pass_)

    assert (answer.outcome, answer.status) == (Outcome.ACCEPTED, "accepted")


async def test_a_lost_answer_is_unknown_and_not_sent_again(twilio: TwilioFixture) -> None:
    twilio.lose_next_answer()
    answer = await twilio.sender.send(dispatch(), pass_)

    assert (answer.outcome, answer.reason, answer.sid) == (Outcome.UNKNOWN, "connection_lost", None)
    assert len(twilio.accepted()) == 1


async def test_a_lost_request_is_unknown_too(twilio: TwilioFixture) -> None:
    twilio.lose_next_request()
    answer = await twilio.sender.send(dispatch(), pass_)

    assert (answer.outcome, twilio.accepted()) == (Outcome.UNKNOWN, [])


async def test_a_server_error_is_unknown(twilio: TwilioFixture) -> None:
    twilio.fail_next()
    answer = await twilio.sender.send(dispatch(), pass_)

    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "server_error")


async def test_a_limit_is_certain_and_says_how_long(twilio: TwilioFixture) -> None:
    twilio.limit_next()
    answer = await twilio.sender.send(dispatch(), pass_)

    assert (answer.outcome, answer.reason, answer.code) == (Outcome.NOT_SENT, "rate_limited", 20429)
    assert answer.retry_after_ms == 3000
    assert twilio.accepted() == []


async def test_a_refusal_is_certain_and_has_its_code(twilio: TwilioFixture) -> None:
    answer = await twilio.sender.send(dispatch(person=twilio.refuse_next()), pass_)

    assert (answer.outcome, answer.reason, answer.code) == (Outcome.REJECTED, "refused_by_twilio", 21211)
    assert answer.detail
    assert twilio.accepted() == []


async def test_the_last_check_has_the_last_word(twilio: TwilioFixture) -> None:
    asked: list[str] = []

    def check() -> str:
        asked.append("revoked")
        return "revoked"

    answer = await twilio.sender.send(dispatch(), check)

    assert (answer.outcome, answer.reason) == (Outcome.NOT_SENT, "revoked")
    assert (asked, twilio.accepted()) == (["revoked"], [])


async def test_trouble_with_one_call_does_not_touch_the_next(twilio: TwilioFixture) -> None:
    twilio.lose_next_answer()
    twilio.limit_next()
    outcomes = [(await twilio.sender.send(dispatch(body=body), pass_)).outcome for body in ("a", "b", "c")]

    assert outcomes == [Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.ACCEPTED]
    assert twilio.accepted() == [(PERSON, "a"), (PERSON, "c")]


async def test_a_call_has_an_end(twilio: TwilioFixture) -> None:
    assert 0 < twilio.sender.timeout <= seconds(60).total_seconds()
