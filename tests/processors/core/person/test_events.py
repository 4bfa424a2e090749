"""What the public events carry."""

from __future__ import annotations

from schemas.records import Sent
from tests.builders import NOW, result, seconds
from tests.processors.core.person.stage import only, stage_with


def test_the_sent_event_carries_estimate_and_times() -> None:
    stage = stage_with(body="x" * 161, campaign="spring", tags={"a": "b"})
    sent = only(stage.feed(result(called_at=NOW + seconds(1), answered_at=NOW + seconds(2))), Sent)
    assert (sent.segments, sent.encoding, sent.country, sent.campaign) == (2, "GSM-7", "US", "spring")
    assert sent.estimated_cost > 0
    assert (sent.requested_at, sent.called_at, sent.occurred_at) == (NOW, NOW + seconds(1), NOW + seconds(2))
    assert sent.tags == {"a": "b"}
