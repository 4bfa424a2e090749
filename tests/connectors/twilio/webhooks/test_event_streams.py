"""Event Streams deliveries become the records callbacks make."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.twilio.errors import MalformedWebhook
from connectors.twilio.webhooks.event_streams import read_events
from schemas.codec import Codec
from schemas.records import TwilioCallback
from schemas.topics import SMS_CALLBACKS
from tests.builders import NOW, NUMBER, PERSON, SERVICE

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def event(kind: str = "delivered", **data: Any) -> dict[str, Any]:
    """As in https://www.twilio.com/docs/events/event-types/messaging/outbound-message, version 8."""
    return {
        "specversion": "1.0",
        "type": f"com.twilio.messaging.message.{kind}",
        "source": "/2010-04-01/Accounts/AC1/Messages/SM1.json",
        "id": "EZ1",
        "dataschema": "https://events-schemas.twilio.com/Messaging.MessageStatus/8",
        "datacontenttype": "application/json",
        "time": "2026-11-24T18:00:00.000Z",
        "data": {
            "messageSid": "SM1",
            "timestamp": "2026-11-24T18:00:00.000Z",
            "accountSid": "AC1",
            "eventName": f"com.twilio.messaging.message.{kind}",
            "apiVersion": "2010-04-01",
            "from": NUMBER,
            "to": PERSON,
            "messageStatus": kind.upper(),
            "messagingServiceSid": SERVICE,
            "body": "the text",
            "statusCallBackUrl": "https://sms.example.com/twilio/status?attempt_id=order%207/1#rc=5",
            "tags": {"a": "b"},
            "rawDlrDoneDate": "2611241800",
            "numberOfSegments": 2,
            **data,
        },
    }


def read(*events: Any) -> list[TwilioCallback]:
    return read_events(json.dumps(events).encode(), NOW).callbacks


def test_an_event_says_what_a_callback_says_and_names_its_attempt() -> None:
    (callback,) = read(event("undelivered", errorCode=30003, new="kept"))

    assert (callback.message_sid, callback.status, callback.person) == ("SM1", "undelivered", PERSON)
    assert (callback.attempt_id, callback.sender_number, callback.messaging_service) == ("order 7/1", NUMBER, SERVICE)
    assert (callback.error_code, callback.idempotency_token, callback.received_at) == (30003, "EZ1", NOW)
    assert callback.fields["RawDlrDoneDate"] == "2611241800"
    assert (callback.fields["tags"], callback.fields["numberOfSegments"]) == ('{"a":"b"}', "2")
    assert callback.fields["new"] == "kept"


def test_the_text_is_not_kept() -> None:
    assert "the text" not in repr(read(event()))


def test_an_error_code_may_be_text_as_it_was_in_older_versions() -> None:
    assert read(event("failed", errorCode="30008"))[0].error_code == 30008


@pytest.mark.parametrize(
    "url",
    [None, 7, "", "https://other.example.com/x?attempt_id=a/1", "http://[", "https://sms.example.com/twilio/status"],
)
def test_without_our_url_an_event_names_no_attempt(url: object) -> None:
    assert read(event(statusCallBackUrl=url))[0].attempt_id is None


def test_a_single_event_is_accepted_too() -> None:
    assert len(read_events(json.dumps(event()).encode(), NOW).callbacks) == 1


def test_other_events_are_counted_and_passed_over() -> None:
    body = [{"type": "com.twilio.eventstreams.test-event", "data": {"test_id": "1"}}, event(), "nonsense"]
    delivered = read_events(json.dumps(body).encode(), NOW)

    assert (len(delivered.callbacks), delivered.other, delivered.malformed) == (1, 2, [])


def test_a_malformed_event_does_not_cost_the_others() -> None:
    broken = [event(to=None), {**event(), "data": None}]
    delivered = read_events(json.dumps([broken[0], event(), broken[1]]).encode(), NOW)

    assert (len(delivered.callbacks), delivered.other) == (1, 0)
    assert [json.loads(kept) for kept, _ in delivered.malformed] == broken
    assert [why for _, why in delivered.malformed] == ["field To is missing or blank", "no data"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"7",
        b'"text"',
        b"[" * 100_000,
        b"[" + b"9" * 5000 + b"]",
        b"\xff",
        b'["\\ud800"]',
        b"[{}" + b",{}" * 2000 + b"]",
    ],
)
def test_what_is_no_delivery_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedWebhook):
        read_events(body, NOW)


@given(data=st.dictionaries(st.sampled_from(list(event()["data"])), anything), extra=anything)
def test_whatever_the_fields_hold_it_fits_a_record_or_is_malformed(data: dict[str, Any], extra: Any) -> None:
    delivered = read_events(json.dumps([{**event(**data), "id": extra}]).encode(), NOW)

    assert len(delivered.callbacks) + len(delivered.malformed) == 1
    for callback in delivered.callbacks:
        assert Codec().decode(TwilioCallback, Codec().wire(SMS_CALLBACKS, callback.person, callback).value) == callback
