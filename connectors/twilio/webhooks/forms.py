"""Twilio's forms, or JSON of the same fields, as our records.

Sources: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
and https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from connectors.twilio.errors import MalformedWebhook
from connectors.twilio.webhooks.signature import Fields
from schemas.records import InboundMessage, TwilioCallback

MAX_FIELDS = 200
_MAX_CODE = 2**31
_LONGEST_CODE = 10

_ASCII_ESCAPES = {f"{high}{low}": chr(int(high + low, 16)) for high in "01234567" for low in "0123456789abcdefABCDEF"}


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """Every field in order, blank and repeated ones too, since they are signed.

    Raises:
        MalformedWebhook: The body is no form, or has too many fields.
    """
    try:
        return parse_fields(body.decode())
    except UnicodeDecodeError as error:
        raise MalformedWebhook(f"no form: {error}") from error


def parse_fields(text: str) -> list[tuple[str, str]]:
    """The fields of a form or a query, in order.

    The result is that of ``urllib.parse.parse_qsl`` with blank values (a property test compares them) in a quarter of
    the time: most of a callback's CPU would go there.

    Raises:
        MalformedWebhook: There are more than ``MAX_FIELDS`` fields.
    """
    if text.count("&") >= MAX_FIELDS:
        raise MalformedWebhook(f"no form: more than {MAX_FIELDS} fields")
    simple = text.replace("+", " ").replace("%2B", "+")  # the usual callback escapes nothing but the + of its numbers
    if "%" not in simple:
        return [(name, value) for name, _, value in [pair.partition("=") for pair in simple.split("&") if pair]]
    pairs = [pair.partition("=") for pair in text.split("&") if pair]
    return [(_unescaped(name), _unescaped(value)) for name, _, value in pairs]


def _unescaped(text: str) -> str:
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    head, *rest = text.split("%")
    try:
        return head + "".join([_ASCII_ESCAPES[piece[:2]] + piece[2:] for piece in rest])
    except KeyError:  # not ASCII, or no escape at all
        return unquote(text)


def parse_json(body: bytes) -> list[tuple[str, str]]:
    """The fields of a JSON object as a form would have them; structured values stay JSON.

    Raises:
        MalformedWebhook: The body is no JSON object, or has too many fields.
    """
    values = load_json(body)
    if not isinstance(values, dict) or len(values) > MAX_FIELDS:
        raise MalformedWebhook(f"no JSON object of at most {MAX_FIELDS} fields")
    return [(name, as_text(value)) for name, value in values.items() if value is not None]


def load_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        MalformedWebhook: It is no JSON, is nested too deep, or cannot be encoded as UTF-8.
    """
    try:
        values = json.loads(body)
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedWebhook(f"no JSON: {type(error).__name__}") from error
    return values


def as_text(value: object) -> str:
    """A JSON value as a form's text: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def status_callback(
    fields: Fields, attempt_id: str | None, idempotency_token: str | None, received_at: datetime
) -> TwilioCallback:
    """A status callback of these fields. Raises MalformedWebhook, naming the field that is missing."""
    form = _Form(fields)
    code = form.code("ErrorCode")
    return TwilioCallback(
        message_sid=form.need("MessageSid", "SmsSid"),
        status=form.need("MessageStatus", "SmsStatus"),
        person=form.need("To"),
        attempt_id=attempt_id or None,
        sender_number=form.take("From"),
        messaging_service=form.take("MessagingServiceSid"),
        error_code=code,
        idempotency_token=idempotency_token,
        fields=form,
        received_at=received_at,
    )


def inbound_message(fields: Fields, received_at: datetime) -> InboundMessage:
    """The text a person sent us. Raises MalformedWebhook, naming the field that is missing."""
    form = _Form(fields)
    return InboundMessage(
        message_sid=form.need("MessageSid", "SmsMessageSid", "SmsSid"),
        person=form.need("From"),
        to=form.need("To"),
        messaging_service=form.take("MessagingServiceSid"),
        body=form.take("Body") or "",
        media_urls=list(form.numbered("MediaUrl")),
        opt_out_type=form.take("OptOutType"),
        fields=form,
        received_at=received_at,
    )


class _Form(dict[str, str]):
    """Fields by name; a field that is taken is no longer in the form.

    Later values of a repeated name are ``name[1]`` and so on.
    """

    __slots__ = ()

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        if len(self) != len(fields):
            self._number_repeated(fields)

    def _number_repeated(self, fields: Fields) -> None:
        self.clear()
        for name, value in fields:
            self[name if name not in self else self._unused(name)] = value

    def _unused(self, name: str) -> str:
        n = 1
        while f"{name}[{n}]" in self:
            n += 1
        return f"{name}[{n}]"

    def take(self, name: str) -> str | None:
        return self.pop(name, None) or None

    def need(self, name: str, *legacy: str) -> str:
        value = self.pop(name, None)
        if value:
            return value
        for other in legacy:
            value = value or self.get(other) or None
        if not value:
            raise MalformedWebhook(f"field {name} is missing or blank")
        return value

    def code(self, name: str) -> int | None:
        """An error code. One that is no number stays in the form, since the status counts without it too."""
        text = self.get(name)
        if not text or len(text) > _LONGEST_CODE or not (text.isascii() and text.isdigit()) or int(text) >= _MAX_CODE:
            return None
        del self[name]
        return int(text)

    def numbered(self, name: str) -> Iterator[str]:
        n = 0
        while (value := self.take(f"{name}{n}")) is not None:
            yield value
            n += 1
