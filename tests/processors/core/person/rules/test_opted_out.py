"""Nobody is texted after an opt-out."""

from __future__ import annotations

from schemas.records import Failed
from tests.builders import NOW, inbound, request, seconds
from tests.processors.core.person.stage import Stage, dispatches, only


def test_after_a_stop_nothing_is_dispatched_until_a_start() -> None:
    stage = Stage()
    stage.feed(inbound("STOP"))
    assert only(stage.feed(request()), Failed).reason == "opted_out"
    stage.feed(inbound("START", message_sid="SM2", received_at=NOW + seconds(1)))
    assert dispatches(stage.feed(request(message_id="m2"))) == ["m2/1"]
