"""What a genuine request says, as records on their topics, and what it is answered once they are safe."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from xml.sax.saxutils import escape

from connectors.twilio.errors import ForgedWebhook, MalformedWebhook
from connectors.twilio.webhooks.event_streams import read_events
from connectors.twilio.webhooks.forms import inbound_message, parse_fields, parse_form, parse_json, status_callback
from connectors.twilio.webhooks.http_messages import NO_CONTENT, Answer, Request, text
from connectors.twilio.webhooks.signature import Fields, SignatureCheck
from schemas.codec import Codec, EncodedRecord
from schemas.errors import EncodeError
from schemas.records import DeadLetter, InboundMessage
from schemas.topics import SMS_CALLBACKS, SMS_INBOUND, Topic

log = logging.getLogger(__name__)

CONTENT_TYPE = b"content-type"
SIGNATURE = b"x-twilio-signature"
SIGNED_BY = b"x-twilio-webhooks-signature-settings"
IDEMPOTENCY = b"i-twilio-idempotency-token"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MALFORMED = "malformed_webhook"
CLOUD_EVENTS = ("application/cloudevents+json", "application/cloudevents-batch+json")

ReplyFor = Callable[[InboundMessage], str | None]
"""The text that answers an inbound message, or None for no answer."""


class UnsupportedBody(Exception):
    """Neither a form nor JSON. Answer 415."""


class WebhookResult(NamedTuple):
    """``seen`` is what the signature covers: the very same request is the same letter."""

    wires: tuple[EncodedRecord, ...]
    seen: tuple[str, bytes]
    answer: Callable[[], Answer]


class Webhooks:
    """Reads requests. Everything raises ForgedWebhook, UnsupportedBody, or MalformedWebhook where nothing is signed."""

    def __init__(
        self,
        check: SignatureCheck,
        codec: Codec,
        now: Callable[[], datetime],
        reply_for: ReplyFor,
        counts: Counter[tuple[str, str]],
    ) -> None:
        self._check = check
        self._codec = codec
        self._now = now
        self._reply_for = reply_for
        self._counts = counts

    def status(self, request: Request) -> WebhookResult:
        """A message's new status."""
        form = self._genuine(request)
        return self._kept(request, SMS_CALLBACKS, lambda: self._status(request, form))

    def inbound(self, request: Request) -> WebhookResult:
        """A person texted us; the answer is TwiML."""
        form = self._genuine(request)
        return self._kept(request, SMS_INBOUND, lambda: self._inbound(request, form))

    def events(self, request: Request) -> WebhookResult:
        """Event Streams: many statuses at once."""
        if _content_type(request) not in (JSON, *CLOUD_EVENTS):
            raise UnsupportedBody(f"expected {JSON}")
        self._check_body(request)
        return self._kept(request, SMS_CALLBACKS, lambda: self._events(request))

    def _status(self, request: Request, form: Fields | None) -> WebhookResult:
        fields = parse_json(request.body) if form is None else form
        callback = status_callback(fields, _attempt(request.target), _header(request, IDEMPOTENCY), self._now())
        wire = self._codec.wire(SMS_CALLBACKS, callback.person, callback)
        return WebhookResult((wire,), _seen(request), _no_content)

    def _inbound(self, request: Request, form: Fields | None) -> WebhookResult:
        message = inbound_message(parse_json(request.body) if form is None else form, self._now())
        wire = self._codec.wire(SMS_INBOUND, message.person, message)
        return WebhookResult(
            (wire,), _seen(request), lambda: Answer(200, twiml(self._reply_for(message)).encode(), "text/xml")
        )

    def _events(self, request: Request) -> WebhookResult:
        delivered = read_events(request.body, self._now())
        self._counts["events", "other"] += delivered.other
        self._counts["events", "malformed"] += len(delivered.malformed)
        wires = [self._codec.wire(SMS_CALLBACKS, callback.person, callback) for callback in delivered.callbacks]
        wires += [self._dead(SMS_CALLBACKS, event, MALFORMED, why) for event, why in delivered.malformed]
        return WebhookResult(tuple(wires), _seen(request), _no_content)

    def _kept(self, request: Request, topic: Topic, read: Callable[[], WebhookResult]) -> WebhookResult:
        """What it reads; what is Twilio's and cannot be read is kept whole, on the topic's dead letter."""
        try:
            return read()
        except (MalformedWebhook, EncodeError) as error:
            said, reason, answer = str(error), MALFORMED, text(400, str(error))
        except Exception as error:
            log.exception("a webhook could not be read; it is kept")
            said, reason, answer = repr(error), "handler_error", text(500, "a bug of ours")
        self._counts["dead_letter", reason] += 1
        target, signature = _seen(
            request
        )  # pairs cut elsewhere sign alike: it must not pass for the one that can be read
        return WebhookResult(
            (self._dead(topic, request.body, reason, said),), (target, b"dead " + signature), lambda: answer
        )

    def _dead(self, topic: Topic, body: bytes, reason: str, detail: str) -> EncodedRecord:
        """It was on no topic yet, so its place is none."""
        letter = DeadLetter(
            topic=topic.name,
            partition=-1,
            offset=-1,
            value=body,
            reason=reason,
            detail=detail.encode("utf-8", "replace").decode(),
            stage="ingester",
            occurred_at=self._now(),
        )
        assert topic.dead_letter is not None
        return EncodedRecord(topic.dead_letter, None, self._codec.encode(letter))

    def _genuine(self, request: Request) -> Fields | None:
        """The form's fields, once the body is known to be Twilio's; None for JSON that is."""
        kind = _content_type(request)
        if kind == JSON:
            self._check_body(request)
            return None
        if kind != FORM:
            raise UnsupportedBody(f"expected {FORM}")
        fields = parse_form(request.body)
        if not self._check.genuine(request.target, fields, _header(request, SIGNATURE), _header(request, SIGNED_BY)):
            raise ForgedWebhook
        return fields

    def _check_body(self, request: Request) -> None:
        given, key = _header(request, SIGNATURE), _header(request, SIGNED_BY)
        if not self._check.genuine_body(request.target, request.body, given, key):
            raise ForgedWebhook


def _content_type(request: Request) -> str:
    given = _header(request, CONTENT_TYPE) or ""
    return given if given == FORM else given.partition(";")[0].strip().lower()


def _header(request: Request, name: bytes) -> str | None:
    """Any bytes are Latin-1: a strange header is no reason to lose what was signed."""
    given = request.headers.get(name)
    return None if given is None else given.decode("latin-1")


def _attempt(target: str) -> str | None:
    query = target.partition("?")[2]
    return dict(parse_fields(query)).get("attempt_id") if query else None


def _seen(request: Request) -> tuple[str, bytes]:
    return request.target, request.headers[SIGNATURE]


def _no_content() -> Answer:
    return NO_CONTENT


def twiml(reply: str | None) -> str:
    """The answer to an inbound message. Source: https://www.twilio.com/docs/messaging/twiml"""
    inner = f"<Message>{escape(reply)}</Message>" if reply else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'
