"""A message is not dispatched before its ``send_at``."""

from __future__ import annotations

from datetime import timedelta

from schemas.records import StatusChanged
from tests.builders import NOW, request
from tests.processors.core.person.stage import Stage, dispatches, only

HOUR = timedelta(hours=1)


def test_a_message_waits_until_its_send_at_and_is_then_dispatched() -> None:
    stage = Stage()
    waiting = only(stage.feed(request(send_at=NOW + HOUR)), StatusChanged)
    assert (waiting.status, waiting.reason, waiting.until) == ("waiting", "send_at", NOW + HOUR)
    stage.now = NOW + HOUR
    assert dispatches(stage.wake()) == ["m1/1"]
