"""Twilio's forms as records."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.twilio.errors import MalformedWebhook
from connectors.twilio.webhooks.forms import inbound_message, parse_form, parse_json, status_callback
from schemas.codec import Codec
from schemas.records import TwilioCallback
from tests.builders import NOW, NUMBER, PERSON

STATUS = {"MessageSid": "SM1", "MessageStatus": "sent", "To": PERSON, "From": NUMBER}
INBOUND = {"MessageSid": "SM1", "From": PERSON, "To": NUMBER, "Body": "hi"}


def read_status(form: dict[str, str]) -> TwilioCallback:
    return status_callback(list(form.items()), "m1/1", "token-1", NOW)


def test_a_status_callback_keeps_every_field() -> None:
    form = STATUS | {"ErrorCode": "30003", "MessagingServiceSid": "MG1", "RawDlrDoneDate": "2611241800", "New": ""}

    assert read_status(form) == TwilioCallback(
        message_sid="SM1",
        status="sent",
        person=PERSON,
        attempt_id="m1/1",
        sender_number=NUMBER,
        messaging_service="MG1",
        error_code=30003,
        idempotency_token="token-1",
        fields={"RawDlrDoneDate": "2611241800", "New": ""},
        received_at=NOW,
    )


def test_the_legacy_names_do_where_the_new_ones_are_missing() -> None:
    told = read_status({"SmsSid": "SM1", "SmsStatus": "sent", "To": PERSON})

    assert (told.message_sid, told.status, told.sender_number) == ("SM1", "sent", None)
    assert told.fields == {"SmsSid": "SM1", "SmsStatus": "sent"}


@pytest.mark.parametrize("field", ["MessageSid", "MessageStatus", "To"])
@pytest.mark.parametrize("blank", [True, False])
def test_a_status_callback_without_what_it_needs_names_the_field(field: str, blank: bool) -> None:
    form = STATUS | {field: ""} if blank else {name: value for name, value in STATUS.items() if name != field}

    with pytest.raises(MalformedWebhook, match=field):
        read_status(form)


@pytest.mark.parametrize("code", ["", "none", "-1", "٣", "99999999999999999999", "9" * 5000])
def test_a_code_that_is_none_does_not_cost_the_status(code: str) -> None:
    told = read_status(STATUS | {"ErrorCode": code})

    assert told.error_code is None
    assert told.fields["ErrorCode"] == code


def test_an_inbound_message_keeps_its_media_and_twilios_verdict() -> None:
    form = INBOUND | {"NumMedia": "2", "MediaUrl0": "u0", "MediaUrl1": "u1", "OptOutType": "STOP", "FromCity": ""}
    told = inbound_message(list(form.items()), NOW)

    assert (told.person, told.to, told.body) == (PERSON, NUMBER, "hi")
    assert (told.media_urls, told.opt_out_type) == (["u0", "u1"], "STOP")
    assert told.fields == {"NumMedia": "2", "FromCity": ""}


@pytest.mark.parametrize("field", ["MessageSid", "From", "To"])
def test_an_inbound_message_without_what_it_needs_names_the_field(field: str) -> None:
    with pytest.raises(MalformedWebhook, match=field):
        inbound_message([(name, value) for name, value in INBOUND.items() if name != field], NOW)


def test_repeated_values_are_all_kept() -> None:
    told = status_callback([*STATUS.items(), ("X", "1"), ("X", ""), ("X", "1")], None, None, NOW)

    assert told.fields == {"X": "1", "X[1]": "", "X[2]": "1"}


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=20))
def test_a_form_is_read_as_it_was_written(fields: list[tuple[str, str]]) -> None:
    try:
        body = urlencode(fields).encode("ascii")
    except UnicodeEncodeError:
        return  # a lone surrogate cannot be sent

    assert parse_form(body) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_malformed(body: bytes) -> None:
    try:
        fields = parse_form(body)
    except MalformedWebhook:
        return
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in fields)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=12))
def test_whatever_else_a_form_holds_its_record_fits_the_schema(extra: list[tuple[str, str]]) -> None:
    fields = [(name, value) for name, value in extra if name not in STATUS]
    try:
        read = parse_form(urlencode([*STATUS.items(), *fields]).encode())
    except UnicodeEncodeError:
        return  # a lone surrogate cannot be sent
    codec = Codec()
    record = status_callback(read, None, None, NOW)

    assert codec.decode(TwilioCallback, codec.encode(record)) == record


def test_a_flood_of_fields_is_malformed() -> None:
    with pytest.raises(MalformedWebhook, match="form"):
        parse_form(b"&".join([b"a=1"] * 1000))


@given(body=st.text(st.sampled_from("ab=&+%2fF4é;"), max_size=30) | st.text(max_size=20))
def test_a_form_is_read_as_the_standard_library_reads_it(body: str) -> None:
    encoded = body.encode("utf-8", "surrogatepass")
    try:
        encoded.decode()
    except UnicodeDecodeError:
        return
    assert parse_form(encoded) == parse_qsl(encoded.decode(), keep_blank_values=True)


def test_json_says_what_a_form_says() -> None:
    body = b'{"MessageSid": "SM1", "ErrorCode": 30003, "Tags": {"a": [1, true]}, "Nothing": null, "Blank": ""}'

    assert parse_json(body) == [
        ("MessageSid", "SM1"),
        ("ErrorCode", "30003"),
        ("Tags", '{"a":[1,true]}'),
        ("Blank", ""),
    ]


@pytest.mark.parametrize("body", [b"[]", b"7", b"{", b"\xff", b'{"a": "\\ud800"}', b"{" + b'"a":{' * 50_000])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedWebhook):
        parse_json(body)
