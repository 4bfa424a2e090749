"""One message's life, from its request to its final status."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from processors.core.person.decision import WakeUp
from schemas.enums import Action
from schemas.records import Dispatch, Failed, StatusChanged
from schemas.states import Phase
from tests.builders import NOW, NUMBER, PERSON, callback, request, result, seconds
from tests.processors.core.person.stage import Stage, dispatches, only, stage_with

HOUR = timedelta(hours=1)


def test_a_request_becomes_its_first_attempt() -> None:
    stage = Stage()
    command = only(stage.feed(request(body="für €5", tenant="shop")), Dispatch)
    assert (command.attempt_id, command.action, command.sender) == ("m1/1", Action.SEND, NUMBER)
    assert (command.person, command.body, command.tenant, command.segments) == (PERSON, "für €5", "shop", 1)


def test_a_late_callback_does_not_move_a_status_backwards() -> None:
    stage = stage_with()
    stage.feed(result())
    stage.feed(callback("delivered"))
    stage.feed(callback("sent"))
    assert stage.messages["m1"].status == "delivered"
    assert stage.messages["m1"].phase is Phase.FINISHED


def test_a_repeated_callback_publishes_nothing() -> None:
    stage = stage_with()
    stage.feed(callback("sent"))
    assert stage.feed(callback("sent", received_at=NOW + HOUR)) == []


def test_a_message_without_final_status_ends_with_a_named_one() -> None:
    stage = stage_with()
    stage.feed(result())
    stage.now = NOW + stage.policy.timing.status_within
    records = stage.feed(WakeUp(PERSON, "m1"))
    assert (only(records, StatusChanged).status, only(records, StatusChanged).final) == ("no_final_status", True)


def test_a_message_whose_command_was_lost_still_ends() -> None:
    """No answer, long after its deadline: Twilio's list is asked once, then the message has an end."""
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
