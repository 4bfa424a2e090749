"""A request is parsed once, or refused with the field and the fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from processors.core.person import intake
from processors.core.person.decision import UnprocessableRecord
from processors.core.person.intake import ParsedRequest, content_hash, parse_request
from schemas.records import Dispatch, Failed
from tests.builders import NOW, NUMBER, SERVICE, policy, request
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


def test_a_request_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Number, sender and size are read at intake and carried to the dispatch."""
    calls: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            calls[name] += 1
            return function(*args)

        return call

    names = ("parse_number", "find_sender", "measure", "content_hash")
    for name in names:
        monkeypatch.setattr(intake, name, counted(name, getattr(intake, name)))
    assert dispatches(Stage().feed(request())) == ["m1/1"]
    assert calls == dict.fromkeys(names, 1)


def test_smart_encoding_is_part_of_the_measure() -> None:
    parsed = parse_request(request(body="it’s", smart_encoding=True), policy())
    assert isinstance(parsed, ParsedRequest)
    assert (parsed.measure.encoding, parsed.measure.units) == ("GSM-7", 4)
    assert (parsed.number.region, parsed.sender.id) == ("US", NUMBER)


def test_the_content_is_all_but_the_time_and_the_replay() -> None:
    first = content_hash(request(tags={"a": "1", "b": "2"}))
    assert content_hash(request(tags={"b": "2", "a": "1"}, requested_at=NOW + HOUR, replay_id="p")) == first
    assert content_hash(request(tags={"a": "1", "b": "3"})) != first


def test_a_pool_and_a_messaging_service_each_name_a_sender() -> None:
    stage = Stage()
    assert only(stage.feed(request(sender_pool="service")), Dispatch).sender == SERVICE
    assert only(stage.feed(request(message_id="m2", messaging_service=SERVICE)), Dispatch).sender == SERVICE
