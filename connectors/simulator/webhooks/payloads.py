"""Webhooks as Twilio posts them: their fields, their signature, and the retry rules in their URL."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha1
from urllib.parse import parse_qs, quote_plus, urlsplit, urlunsplit

from connectors.simulator.model.messages import API_VERSION, Message
from connectors.simulator.model.seeded_random import hex32
from connectors.simulator.model.settings import Account

_CONNECT_MS, _READ_MS, _TOTAL_MS, _RETRIES = 5000, 15000, 15000, 1


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Time-outs and retries of one webhook, from the fragment of its URL.

    A value that is absent or out of range becomes Twilio's default: one retry, after a failed connect only.

    Args:
        connect: Time-out of the connect.
        read: Time-out of the response.
        total: Time-out of all tries together.
        retries: How often a failed try is repeated.
        on: Which failures are retried: ct (connect), rt (read), 4xx, 5xx.

    Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    """

    connect: timedelta = timedelta(milliseconds=_CONNECT_MS)
    read: timedelta = timedelta(milliseconds=_READ_MS)
    total: timedelta = timedelta(milliseconds=_TOTAL_MS)
    retries: int = _RETRIES
    on: frozenset[str] = frozenset({"ct"})

    @staticmethod
    def parse(fragment: str) -> CallbackRules:
        """The rules in a fragment such as ``rc=5&rp=all&ct=100``."""
        if not fragment:
            return _DEFAULT
        given = {name: values[-1] for name, values in parse_qs(fragment).items()}
        return CallbackRules(
            connect=_ms(given.get("ct"), 10000, _CONNECT_MS),
            read=_ms(given.get("rt"), 15000, _READ_MS),
            total=_ms(given.get("tt"), 15000, _TOTAL_MS),
            retries=_integer(given.get("rc"), 0, 5, _RETRIES),
            on=_retry_kinds(given.get("rp", "ct")),
        )


_DEFAULT = CallbackRules()


def _ms(text: str | None, high: int, default: int) -> timedelta:
    return timedelta(milliseconds=_integer(text, 100, high, default))


def _integer(text: str | None, low: int, high: int, default: int) -> int:
    value = int(text) if text and text.isascii() and text.isdigit() else default
    return value if low <= value <= high else default


def _retry_kinds(text: str) -> frozenset[str]:
    known = frozenset({"ct", "rt", "4xx", "5xx"})
    return known if text == "all" else known.intersection(text.split(",")) or frozenset({"ct"})


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """How one try ended.

    Args:
        kind: ok, ct (no connection), rt (no response in time), 4xx, 5xx, or twiml (a response that is no TwiML).
        body: The text of an ok response.
    """

    kind: str
    body: str = ""


# Error codes posted to a fallback URL, by the kind of response.
# Source: https://www.twilio.com/docs/api/errors/11200, 11205 and 12100
WEBHOOK_ERRORS = {"4xx": 11200, "5xx": 11200, "ct": 11205, "rt": 11205, "twiml": 12100}


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One webhook to post.

    Args:
        sid: SID of the message.
        event: The status it reports, or one of ``INBOUND_EVENTS``.
        url: The URL without its fragment.
        fields: The form.
        signature: The ``X-Twilio-Signature``.
        token: The idempotency token, the same for all tries.
        rules: Time-outs and retries.
        started: When it was built.
        tries: How many tries have failed.
    """

    sid: str
    event: str
    url: str
    fields: Mapping[str, str]
    signature: str
    token: str
    rules: CallbackRules
    started: datetime
    tries: int = 0

    def headers(self) -> dict[str, str]:
        """The headers that Twilio adds to the request."""
        return {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": self.signature,
            "I-Twilio-Idempotency-Token": self.token,
        }

    def body(self) -> bytes:
        """The form, encoded."""
        return "&".join(f"{name}={_quoted(value)}" for name, value in self.fields.items()).encode()


@lru_cache(maxsize=1024)
def _quoted(value: str) -> str:
    """The quoted value. Cached, as most values repeat: without the cache, quoting is a third of a callback's cost."""
    return quote_plus(value)


def build_delivery(
    message: Message, event: str, url: str, fields: dict[str, str], account: Account, now: datetime
) -> WebhookDelivery:
    """The first try of a webhook. The fragment of ``url`` has the retry rules and is not part of the address."""
    address, _, fragment = url.partition("#")
    return WebhookDelivery(
        sid=message.sid,
        event=event,
        url=address,
        fields=fields,
        signature=compute_signature(account.auth_token, address, fields),
        token=hex32(message.sid, event),
        rules=CallbackRules.parse(fragment),
        started=now,
    )


def compute_signature(token: str, url: str, fields: Mapping[str, str]) -> str:
    """The ``X-Twilio-Signature``: HMAC-SHA1 over the URL without user and password, then every field by name.

    Source: https://www.twilio.com/docs/usage/security
    """
    signed = _without_user(url) + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode("utf-8", "replace"), sha1)).decode()


def _without_user(url: str) -> str:
    if "@" not in url:
        return url
    split = urlsplit(url)
    return urlunsplit(split._replace(netloc=split.netloc.rpartition("@")[2]))


def retry_delivery(
    failed: WebhookDelivery, response: WebhookResponse, now: datetime, pause: timedelta
) -> WebhookDelivery | None:
    """The next try, ``pause`` from now; None where the kind of failure, the number of tries or the time forbids it."""
    in_time = now + pause - failed.started < failed.rules.total
    if response.kind not in failed.rules.on or failed.tries >= failed.rules.retries or not in_time:
        return None
    return replace(failed, tries=failed.tries + 1)


def status_fields(message: Message, status: str, code: int | None, at: datetime) -> dict[str, str]:
    """The form of a status callback; it has neither price nor segments.

    Source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
    """
    fields = {
        "ApiVersion": API_VERSION,
        "AccountSid": message.account,
        "To": message.to,
        "MessageSid": message.sid,
        "MessageStatus": status,
        "SmsSid": message.sid,
        "SmsStatus": status,
    }
    if message.sender:
        fields["From"] = message.sender
    if message.service:
        fields["MessagingServiceSid"] = message.service
    if code is not None:
        fields["ErrorCode"] = str(code)
    if status in ("delivered", "undelivered"):
        fields["RawDlrDoneDate"] = at.strftime("%y%m%d%H%M")
    return fields


_PLACE_FIELDS = ("FromCity", "FromState", "FromZip", "FromCountry", "ToCity", "ToState", "ToZip", "ToCountry")


def inbound_fields(message: Message) -> dict[str, str]:
    """The form of an inbound message; the fields of unknown places are present and empty.

    Source: https://www.twilio.com/docs/messaging/guides/webhook-request
    """
    fields = dict.fromkeys(_PLACE_FIELDS, "") | {
        "ApiVersion": API_VERSION,
        "AccountSid": message.account,
        "Body": message.text,
        "From": message.sender or "",
        "To": message.to,
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsMessageSid": message.sid,
        "SmsStatus": "received",
        "NumMedia": "0",
        "NumSegments": str(message.segments),
    }
    if message.service:
        fields["MessagingServiceSid"] = message.service
    if message.opt_out_type:
        fields["OptOutType"] = message.opt_out_type
    return fields
