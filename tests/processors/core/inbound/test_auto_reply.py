"""One answer to each text that wants one: from Twilio or from us, never from both."""

import pytest

from processors.core.inbound.auto_reply import DEFAULT_TEXTS, auto_reply
from schemas.records import Failed, SendRequest
from tests.builders import NUMBER, PERSON, inbound, policy
from tests.processors.core.person.stage import Stage, only

KEYWORDS = policy().keywords


@pytest.mark.parametrize("body", ["STOP", "stop!", "Unsubscribe", "OPTOUT", "start", "help", "thanks", "see you"])
def test_what_twilio_answers_or_nobody_need_answer_gets_no_answer_of_ours(body: str) -> None:
    assert auto_reply(inbound(body), KEYWORDS, DEFAULT_TEXTS) is None


@pytest.mark.parametrize("body", ["opt out", "please stop texting me", "take me off your list"])
def test_a_stop_only_we_understand_is_confirmed(body: str) -> None:
    assert auto_reply(inbound(body), KEYWORDS, DEFAULT_TEXTS) == DEFAULT_TEXTS.stop


def test_with_advanced_opt_out_twilio_has_answered() -> None:
    assert auto_reply(inbound("arret", opt_out_type="STOP"), KEYWORDS, DEFAULT_TEXTS) is None


def test_an_account_without_twilios_own_handling_answers_everything_itself() -> None:
    replies = [
        auto_reply(inbound(word), KEYWORDS, DEFAULT_TEXTS, twilio_answers=False) for word in ("STOP", "START", "HELP")
    ]
    assert replies == [DEFAULT_TEXTS.stop, DEFAULT_TEXTS.start, DEFAULT_TEXTS.help]


def test_status_is_answered_by_the_number_that_was_texted() -> None:
    request = only(Stage().feed(inbound("STATUS")), SendRequest)
    assert (request.to, request.sender, request.body) == (PERSON, NUMBER, DEFAULT_TEXTS.status)


def test_status_after_a_stop_gets_nothing() -> None:
    stage = Stage()
    stage.feed(inbound("STOP"))
    request = only(stage.feed(inbound("STATUS", message_sid="SM2")), SendRequest)
    assert only(stage.feed(request), Failed).reason == "opted_out"
