"""Event Streams deliveries (CloudEvents in JSON) as the records status callbacks make.

Sources: https://www.twilio.com/docs/events/event-types/messaging/outbound-message
and https://www.twilio.com/docs/events/webhook-quickstart
The status callback's URL is among an event's fields, and our attempt id in that URL's query.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from connectors.twilio.errors import MalformedWebhook
from connectors.twilio.urls import STATUS_PATH
from connectors.twilio.webhooks.forms import as_text, load_json, parse_fields, status_callback
from schemas.records import TwilioCallback

log = logging.getLogger(__name__)

OUTBOUND = "com.twilio.messaging.message."
MAX_EVENTS = 1000
_AS_IN_CALLBACKS: Mapping[str, str] = {
    "messageSid": "MessageSid",
    "messageStatus": "MessageStatus",
    "to": "To",
    "from": "From",
    "messagingServiceSid": "MessagingServiceSid",
    "errorCode": "ErrorCode",
    "accountSid": "AccountSid",
    "apiVersion": "ApiVersion",
    "rawDlrDoneDate": "RawDlrDoneDate",
}
_NOT_KEPT = ("body", "statusCallBackUrl")
"""The text is no part of a status; the URL is kept as the attempt's id."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One delivery: its ``callbacks``, how many events were of ``other`` kinds, the ``malformed`` ones and why."""

    callbacks: list[TwilioCallback]
    other: int
    malformed: list[tuple[bytes, str]]


def read_events(body: bytes, received_at: datetime) -> Delivered:
    """An array of events, or a single one. Raises MalformedWebhook if it is neither.

    One malformed event does not cost the others: Twilio would repeat all of them for hours and then drop all.
    """
    events = load_json(body)
    events = [events] if isinstance(events, dict) else events
    if not isinstance(events, list) or len(events) > MAX_EVENTS:
        raise MalformedWebhook(f"neither an event nor an array of at most {MAX_EVENTS}")
    ours = [event for event in events if _kind(event).startswith(OUTBOUND)]
    delivered = Delivered([], len(events) - len(ours), [])
    for event in ours:
        try:
            delivered.callbacks.append(_callback(event, received_at))
        except MalformedWebhook as error:
            log.warning("event %s (%s) says nothing: %s", event.get("id"), _kind(event), error)
            delivered.malformed.append((json.dumps(event, ensure_ascii=False).encode(), str(error)))
    return delivered


def _kind(event: object) -> str:
    kind = event.get("type") if isinstance(event, dict) else None
    return kind if isinstance(kind, str) else ""


def _callback(event: dict[str, Any], received_at: datetime) -> TwilioCallback:
    values = event.get("data")
    if not isinstance(values, dict):
        raise MalformedWebhook("no data")
    fields = {
        _AS_IN_CALLBACKS.get(name, name): as_text(value)
        for name, value in values.items()
        if value is not None and name not in _NOT_KEPT
    }
    fields["EventType"] = _kind(event)
    fields["MessageStatus"] = fields.get("MessageStatus", "").lower()
    return status_callback(list(fields.items()), _attempt(values), _id(event), received_at)


def _attempt(values: dict[str, Any]) -> str | None:
    """The attempt the message's own status callback would name."""
    url = values.get("statusCallBackUrl")
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        return dict(parse_fields(parts.query)).get("attempt_id") if parts.path.endswith(STATUS_PATH) else None
    except (ValueError, MalformedWebhook):
        return None


def _id(event: dict[str, Any]) -> str | None:
    """Equal over all deliveries of one event. https://www.twilio.com/docs/events/event-delivery-and-duplication"""
    id_ = event.get("id")
    return id_ if isinstance(id_, str) else None
