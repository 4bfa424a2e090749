"""One row of Twilio's list that fits two attempts settles neither."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.enums import Action, Outcome
from schemas.records import Dispatch, Sent
from schemas.states import Phase
from tests.builders import NOW, TOLL_FREE, callback, request, result
from tests.processors.core.person.stage import Stage, only, stage_with

HOUR = timedelta(hours=1)


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


def test_a_look_up_that_found_another_attempts_message_is_made_again_however_late_it_is() -> None:
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


def _two_open_attempts(**changes: Any) -> Stage:
    """Of two attempts to one person no answer came, and the list shows one message; asked for m2, it is found."""
    stage = stage_with()
    stage.feed(request(message_id="m2", **changes))
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW))
    stage.feed(result(message_id="m2", attempt_id="m2/1", outcome=Outcome.UNKNOWN, intent_until=NOW))
    stage.feed(result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP))
    return stage


def test_one_message_of_the_list_does_not_say_which_of_two_identical_texts_it_is() -> None:
    """Given to the wrong one, it would hide that this was never sent."""
    stage = _two_open_attempts()
    assert stage.published_of(Sent) == []
    assert stage.messages["m2"].phase is Phase.UNKNOWN

    assert only(stage.feed(callback("delivered")), Sent).message_id == "m1"
    stage.feed(result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP))
    assert [sent.message_id for sent in stage.published_of(Sent)] == ["m1"]


@pytest.mark.parametrize("changes", [{"body": "another"}, {"sender": TOLL_FREE}], ids=["text", "sender"])
def test_an_attempt_with_another_text_or_sender_is_not_ambiguous(changes: dict[str, str]) -> None:
    assert [sent.message_id for sent in _two_open_attempts(**changes).published_of(Sent)] == ["m2"]


def test_an_attempt_of_long_before_is_not_ambiguous() -> None:
    stage = stage_with()
    stage.feed(result(outcome=Outcome.UNKNOWN, intent_until=NOW))
    stage.now = NOW + HOUR
    stage.feed(request(message_id="m2"))
    stage.feed(result(message_id="m2", attempt_id="m2/1", outcome=Outcome.UNKNOWN, intent_until=stage.now))
    stage.feed(result(message_id="m2", attempt_id="m2/1", action=Action.LOOK_UP))
    assert [sent.message_id for sent in stage.published_of(Sent)] == ["m2"]
