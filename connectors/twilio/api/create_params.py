"""A dispatch as the parameters of Twilio's create call.

Source: https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from connectors.twilio.api.account import TwilioAccount
from schemas.records import Dispatch

MAX_VALIDITY_S = 36_000
SERVICE_PREFIX = "MG"


def is_service(sender: str) -> bool:
    """Whether a sender id names a Messaging Service; a number, short code or alphanumeric id otherwise."""
    return sender.startswith(SERVICE_PREFIX)


def create_params(attempt: Dispatch, account: TwilioAccount, now: datetime) -> dict[str, Any]:
    """The arguments of the SDK's ``create_async``; what is not wanted is left out."""
    fields: dict[str, Any] = {
        "to": attempt.person,
        "messaging_service_sid" if is_service(attempt.sender) else "from_": attempt.sender,
        "validity_period": validity(attempt, now),
        # Said even when false: a Messaging Service's own setting would change the text, its length and its price.
        "smart_encoded": attempt.smart_encoding,
    }
    if callback := account.status_callback(attempt.attempt_id):
        fields["status_callback"] = callback
    if attempt.shorten_urls:
        fields["shorten_urls"] = True
    return fields | _content(attempt)


def _content(attempt: Dispatch) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if attempt.content_sid is not None:
        content["content_sid"] = attempt.content_sid
        if attempt.content_variables:
            content["content_variables"] = json.dumps(attempt.content_variables, ensure_ascii=False)
    elif attempt.body is not None:
        content["body"] = attempt.body
    if attempt.media_urls:
        content["media_url"] = list(attempt.media_urls)
    return content


def validity(attempt: Dispatch, now: datetime) -> int:
    """Seconds Twilio may queue it: the request's wish, but never past the deadline.

    Rounded down, since a late message is worse than none, and at least 1. Twilio advises more than 5: a message with
    less left than that may well expire in its queue (30036), which is the answer wanted for a stale code.
    """
    left = (attempt.deadline - now) // timedelta(seconds=1)
    return max(1, min(attempt.validity_s or MAX_VALIDITY_S, left, MAX_VALIDITY_S))
