"""The newest entry of a scope counts, whenever it arrives."""

from __future__ import annotations

from datetime import timedelta

from schemas.enums import ConsentState
from schemas.records import Failed, Revocation
from tests.builders import NOW, consent_change, inbound, request
from tests.processors.core.person.stage import Stage, dispatches, only

HOUR = timedelta(hours=1)


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
