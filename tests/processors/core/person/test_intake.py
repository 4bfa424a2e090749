"""A request is parsed once, or refused with the field and the fix."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processors.core.person.decision import UnprocessableRecord
from schemas.records import Dispatch, Failed
from tests.builders import NOW, NUMBER, SERVICE, request
from tests.processors.core.person.stage import Stage, dispatches, only

HOUR = timedelta(hours=1)


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
    records = Stage().feed(request(**changes))
    failed = only(records, Failed)
    assert failed.reason == reason
    assert words in failed.detail
    assert failed.request == request(**changes)
    assert dispatches(records) == []


@pytest.mark.parametrize("changes", [{"message_id": ""}, {"message_id": "a b"}, {"to": ""}, {"to": "+1\x00"}])
def test_a_request_that_cannot_be_stored_is_a_dead_letter(changes: dict[str, str]) -> None:
    with pytest.raises(UnprocessableRecord):
        Stage().feed(request(**changes))


def test_a_pool_and_a_messaging_service_each_name_a_sender() -> None:
    stage = Stage()
    assert only(stage.feed(request(sender_pool="service")), Dispatch).sender == SERVICE
    assert only(stage.feed(request(message_id="m2", messaging_service=SERVICE)), Dispatch).sender == SERVICE
