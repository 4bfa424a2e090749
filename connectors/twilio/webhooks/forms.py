"""Twilio's forms as our records, and JSON that says the same. Sources: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
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


_ASCII = {f"{high}{low}": chr(int(high + low, 16)) for high in "01234567" for low in "0123456789abcdefABCDEF"}


def parse_form(body: bytes) -> list[tuple[str, str]]:
    """Every field in order, blank and repeated ones kept: they are signed too. Raises MalformedWebhook."""
    try:
        return parse_fields(body.decode())
    except UnicodeDecodeError as error:
        raise MalformedWebhook(f"no form: {error}") from error


def parse_fields(text: str) -> list[tuple[str, str]]:
    """Of a form or a query. Raises MalformedWebhook for too many.

    Says what `urllib.parse.parse_qsl` says (a property test compares them) in a quarter of the time: most of a
    callback's CPU would go there.
    """
    if text.count("&") >= MAX_FIELDS:
        raise MalformedWebhook(f"no form: more than {MAX_FIELDS} fields")
    simple = text.replace("+", " ").replace("%2B", "+")  # all that is escaped in the usual callback: its numbers
    if "%" not in simple:
        return [(name, value) for name, _, value in [pair.partition("=") for pair in simple.split("&") if pair]]
    pairs = [pair.partition("=") for pair in text.split("&") if pair]
    return [(_plain(name), _plain(value)) for name, _, value in pairs]


def _plain(text: str) -> str:
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    head, *rest = text.split("%")
    try:
        return head + "".join([_ASCII[part[:2]] + part[2:] for part in rest])
    except KeyError:  # not ASCII, or no escape at all
        return unquote(text)


def parse_json(body: bytes) -> list[tuple[str, str]]:
    """The fields of a JSON object, as a form would say them; what has structure stays JSON. Raises MalformedWebhook."""
    values = load_json(body)
    if not isinstance(values, dict) or len(values) > MAX_FIELDS:
        raise MalformedWebhook(f"no JSON object of at most {MAX_FIELDS} fields")
    return [(name, as_text(value)) for name, value in values.items() if value is not None]


def load_json(body: bytes) -> Any:
    """Raises MalformedWebhook, also for what is too deep, and for text that no record can hold."""
    try:
        values = json.loads(body)
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedWebhook(f"no JSON: {type(error).__name__}") from error
    return values


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def status_callback(
    fields: Fields, attempt_id: str | None, idempotency_token: str | None, received_at: datetime
) -> TwilioCallback:
    """A status callback. Raises MalformedWebhook, naming the field that is missing."""
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
        fields=form.rest(),
        received_at=received_at,
    )


def inbound_message(fields: Fields, received_at: datetime) -> InboundMessage:
    """What a person texted us. Raises MalformedWebhook, naming the field that is missing."""
    form = _Form(fields)
    return InboundMessage(
        message_sid=form.need("MessageSid", "SmsMessageSid", "SmsSid"),
        person=form.need("From"),
        to=form.need("To"),
        messaging_service=form.take("MessagingServiceSid"),
        body=form.take("Body") or "",
        media_urls=list(form.numbered("MediaUrl")),
        opt_out_type=form.take("OptOutType"),
        fields=form.rest(),
        received_at=received_at,
    )


class _Form(dict[str, str]):
    """Fields by name; what is taken is not in ``rest`` again. A repeated name's later values are ``name[1]``..."""

    __slots__ = ()

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        if len(self) != len(fields):
            self._keep_all(fields)

    def _keep_all(self, fields: Fields) -> None:
        self.clear()
        for name, value in fields:
            self[name if name not in self else self._free(name)] = value

    def _free(self, name: str) -> str:
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
        """An error code; one that is no number stays among the rest, since the status counts without it too."""
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

    def rest(self) -> dict[str, str]:
        return self
