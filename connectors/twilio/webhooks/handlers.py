"""Reads a signed request: the records it becomes, and its response once those records are safe."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from xml.sax.saxutils import escape

from connectors.twilio.errors import ForgedWebhook, MalformedWebhook
from connectors.twilio.webhooks.event_streams import read_events
from connectors.twilio.webhooks.forms import inbound_message, parse_fields, parse_form, parse_json, status_callback
from connectors.twilio.webhooks.http_messages import NO_CONTENT, HttpRequest, HttpResponse, text_response
from connectors.twilio.webhooks.metrics import WebhookMetrics
from connectors.twilio.webhooks.signature import Fields, SignatureCheck
from schemas.codec import Codec, EncodedRecord
from schemas.dead_letters import dead_letter
from schemas.errors import EncodeError
from schemas.reasons import DeadLetterReason
from schemas.records import InboundMessage
from schemas.topics import SMS_CALLBACKS, SMS_INBOUND, Topic

logger = logging.getLogger(__name__)

CONTENT_TYPE = b"content-type"
SIGNATURE = b"x-twilio-signature"
SIGNATURE_KEY = b"x-twilio-webhooks-signature-settings"
IDEMPOTENCY = b"i-twilio-idempotency-token"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
CLOUD_EVENTS = ("application/cloudevents+json", "application/cloudevents-batch+json")

ReplyFor = Callable[[InboundMessage], str | None]
"""The text that replies to an inbound message, or None for no reply."""

Fingerprint = tuple[str, bytes]
"""Request target and signature: equal for the very same request, repeated."""


class UnsupportedBody(Exception):
    """The body is neither a form nor JSON. Answer 415."""


class WebhookResult(NamedTuple):
    """What one webhook becomes: records to publish, and then ``respond`` to call for the response."""

    records: tuple[EncodedRecord, ...]
    fingerprint: Fingerprint
    respond: Callable[[], HttpResponse]


class Webhooks:
    """Turns signed requests into records. ``now`` is the wall clock, ``metrics`` counts what made no record."""

    def __init__(
        self,
        check: SignatureCheck,
        codec: Codec,
        now: Callable[[], datetime],
        reply_for: ReplyFor,
        metrics: WebhookMetrics,
    ) -> None:
        self._check = check
        self._codec = codec
        self._now = now
        self._reply_for = reply_for
        self._metrics = metrics

    def status(self, request: HttpRequest) -> WebhookResult:
        """A message's new status.

        Raises:
            ForgedWebhook: No secret of ours signs the request.
            UnsupportedBody: It is neither a form nor JSON.
            MalformedWebhook: It is no form, so that no signature can be checked.
        """
        form = self._verified_form(request)
        return self._or_dead_letter(request, SMS_CALLBACKS, lambda: self._status(request, form))

    def inbound(self, request: HttpRequest) -> WebhookResult:
        """A person's text to us, answered in TwiML. Raises as `status` does."""
        form = self._verified_form(request)
        return self._or_dead_letter(request, SMS_INBOUND, lambda: self._inbound(request, form))

    def events(self, request: HttpRequest) -> WebhookResult:
        """A delivery of Event Streams: many statuses at once.

        Raises:
            ForgedWebhook: No token of this account signs the request.
            UnsupportedBody: The body is no JSON.
        """
        if _content_type(request) not in (JSON, *CLOUD_EVENTS):
            raise UnsupportedBody(f"expected {JSON}")
        self._verify_body(request)
        return self._or_dead_letter(request, SMS_CALLBACKS, lambda: self._events(request))

    def _status(self, request: HttpRequest, form: Fields | None) -> WebhookResult:
        fields = parse_json(request.body) if form is None else form
        callback = status_callback(fields, _attempt_id(request.target), _header(request, IDEMPOTENCY), self._now())
        record = self._codec.wire(SMS_CALLBACKS, callback.person, callback)
        return WebhookResult((record,), _fingerprint(request), _no_content)

    def _inbound(self, request: HttpRequest, form: Fields | None) -> WebhookResult:
        message = inbound_message(parse_json(request.body) if form is None else form, self._now())
        record = self._codec.wire(SMS_INBOUND, message.person, message)
        return WebhookResult((record,), _fingerprint(request), lambda: self._twiml_response(message))

    def _events(self, request: HttpRequest) -> WebhookResult:
        delivered = read_events(request.body, self._now())
        self._metrics.events.labels("other").inc(delivered.other)
        self._metrics.events.labels("malformed").inc(len(delivered.malformed))
        records = [self._codec.wire(SMS_CALLBACKS, callback.person, callback) for callback in delivered.callbacks]
        records += [
            self._dead_letter(SMS_CALLBACKS, event, DeadLetterReason.MALFORMED_WEBHOOK, why)
            for event, why in delivered.malformed
        ]
        return WebhookResult(tuple(records), _fingerprint(request), _no_content)

    def _twiml_response(self, message: InboundMessage) -> HttpResponse:
        return HttpResponse(200, twiml(self._reply_for(message)).encode(), "text/xml")

    def _or_dead_letter(self, request: HttpRequest, topic: Topic, read: Callable[[], WebhookResult]) -> WebhookResult:
        """The result of ``read``; if a signed request cannot be read, its whole body as a dead letter."""
        try:
            return read()
        except (MalformedWebhook, EncodeError) as error:
            detail, response = str(error), text_response(400, str(error))
            reason = DeadLetterReason.MALFORMED_WEBHOOK
        except Exception as error:
            logger.exception("a signed webhook could not be read; its body goes to %s", topic.dead_letter)
            detail, response = repr(error), text_response(500, "internal error")
            reason = DeadLetterReason.HANDLER_ERROR
        self._metrics.dead_letters.labels(reason).inc()
        target, signature = _fingerprint(request)
        # Names and values are signed without separators: this request may sign like one that can be read, and must not
        # be taken for it.
        fingerprint = (target, b"dead " + signature)
        return WebhookResult((self._dead_letter(topic, request.body, reason, detail),), fingerprint, lambda: response)

    def _dead_letter(self, topic: Topic, body: bytes, reason: str, detail: str) -> EncodedRecord:
        """A dead letter of a body that was on no topic yet: partition and offset are -1."""
        return dead_letter(
            self._codec,
            topic.name,
            value=body,
            reason=reason,
            detail=detail,
            stage="ingester",
            occurred_at=self._now(),
        )

    def _verified_form(self, request: HttpRequest) -> Fields | None:
        """The form's fields once the signature is verified; None for a verified body of JSON."""
        kind = _content_type(request)
        if kind == JSON:
            self._verify_body(request)
            return None
        if kind != FORM:
            raise UnsupportedBody(f"expected {FORM}")
        fields = parse_form(request.body)
        if not self._check.verify(request.target, fields, _header(request, SIGNATURE), _header(request, SIGNATURE_KEY)):
            raise ForgedWebhook
        return fields

    def _verify_body(self, request: HttpRequest) -> None:
        given, key = _header(request, SIGNATURE), _header(request, SIGNATURE_KEY)
        if not self._check.verify_body(request.target, request.body, given, key):
            raise ForgedWebhook


def twiml(reply: str | None) -> str:
    """The TwiML response to an inbound message.

    Source: https://www.twilio.com/docs/messaging/twiml
    """
    inner = f"<Message>{escape(reply)}</Message>" if reply else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


def _content_type(request: HttpRequest) -> str:
    given = _header(request, CONTENT_TYPE) or ""
    return given if given == FORM else given.partition(";")[0].strip().lower()


def _header(request: HttpRequest, name: bytes) -> str | None:
    """The header as Latin-1, which any bytes are: a strange header is no reason to lose what was signed."""
    given = request.headers.get(name)
    return None if given is None else given.decode("latin-1")


def _attempt_id(target: str) -> str | None:
    query = target.partition("?")[2]
    return dict(parse_fields(query)).get("attempt_id") if query else None


def _fingerprint(request: HttpRequest) -> Fingerprint:
    return request.target, request.headers[SIGNATURE]


def _no_content() -> HttpResponse:
    return NO_CONTENT
