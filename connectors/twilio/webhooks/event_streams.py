"""Event Streams deliveries (CloudEvents in JSON) as the same records that status callbacks become.

An event has the status callback's URL among its fields, and our attempt id is in that URL's query.
Sources: https://www.twilio.com/docs/events/event-types/messaging/outbound-message
and https://www.twilio.com/docs/events/webhook-quickstart
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

logger = logging.getLogger(__name__)

OUTBOUND = "com.twilio.messaging.message."
MAX_EVENTS = 1000
_CALLBACK_NAMES: Mapping[str, str] = {
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
_LEFT_OUT = ("body", "statusCallBackUrl")
"""The text is no part of a status; of the URL only the attempt's id is used."""


@dataclass(frozen=True, slots=True)
class EventBatch:
    """One delivery: its ``callbacks``, how many events were of ``other`` kinds, the ``malformed`` ones and why."""

    callbacks: list[TwilioCallback]
    other: int
    malformed: list[tuple[bytes, str]]


def read_events(body: bytes, received_at: datetime) -> EventBatch:
    """The callbacks in an array of events, or in a single event.

    One malformed event does not refuse the others: Twilio would repeat all of them for hours and then drop all.

    Raises:
        MalformedWebhook: The body is neither, or has more than ``MAX_EVENTS`` events.
    """
    events = load_json(body)
    events = [events] if isinstance(events, dict) else events
    if not isinstance(events, list) or len(events) > MAX_EVENTS:
        raise MalformedWebhook(f"neither an event nor an array of at most {MAX_EVENTS}")
    messaging = [event for event in events if _kind(event).startswith(OUTBOUND)]
    batch = EventBatch([], len(events) - len(messaging), [])
    for event in messaging:
        try:
            batch.callbacks.append(_callback(event, received_at))
        except MalformedWebhook as error:
            logger.warning("event %s (%s) is malformed: %s", event.get("id"), _kind(event), error)
            batch.malformed.append((json.dumps(event, ensure_ascii=False).encode(), str(error)))
    return batch


def _kind(event: object) -> str:
    kind = event.get("type") if isinstance(event, dict) else None
    return kind if isinstance(kind, str) else ""


def _callback(event: dict[str, Any], received_at: datetime) -> TwilioCallback:
    values = event.get("data")
    if not isinstance(values, dict):
        raise MalformedWebhook("no data")
    fields = {
        _CALLBACK_NAMES.get(name, name): as_text(value)
        for name, value in values.items()
        if value is not None and name not in _LEFT_OUT
    }
    fields["EventType"] = _kind(event)
    fields["MessageStatus"] = fields.get("MessageStatus", "").lower()
    return status_callback(list(fields.items()), _attempt(values), _id(event), received_at)


def _attempt(values: dict[str, Any]) -> str | None:
    """The attempt id in the URL of the message's own status callback."""
    url = values.get("statusCallBackUrl")
    if not isinstance(url, str):
        return None
    try:
        split = urlsplit(url)
        return dict(parse_fields(split.query)).get("attempt_id") if split.path.endswith(STATUS_PATH) else None
    except (ValueError, MalformedWebhook):
        return None


def _id(event: dict[str, Any]) -> str | None:
    """The id, equal in all deliveries of one event.

    Source: https://www.twilio.com/docs/events/event-delivery-and-duplication
    """
    id_ = event.get("id")
    return id_ if isinstance(id_, str) else None
