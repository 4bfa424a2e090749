"""Webhooks as Twilio posts them: which fields, how signed, and what a failed try leads to."""

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

    `on` holds what is tried again: ct, rt, 4xx, 5xx. Absent or out of range means Twilio's default: a failed connect,
    once. Source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
    """

    connect: timedelta = timedelta(milliseconds=_CONNECT_MS)
    read: timedelta = timedelta(milliseconds=_READ_MS)
    total: timedelta = timedelta(milliseconds=_TOTAL_MS)
    retries: int = _RETRIES
    on: frozenset[str] = frozenset({"ct"})

    @staticmethod
    def parse(fragment: str) -> "CallbackRules":
        """Read `rc=5&rp=all&ct=100`."""
        if not fragment:
            return _DEFAULT
        given = {name: values[-1] for name, values in parse_qs(fragment).items()}
        return CallbackRules(
            connect=_ms(given.get("ct"), 10000, _CONNECT_MS),
            read=_ms(given.get("rt"), 15000, _READ_MS),
            total=_ms(given.get("tt"), 15000, _TOTAL_MS),
            retries=_integer(given.get("rc"), 0, 5, _RETRIES),
            on=_kinds(given.get("rp", "ct")),
        )


_DEFAULT = CallbackRules()


def _ms(text: str | None, high: int, default: int) -> timedelta:
    return timedelta(milliseconds=_integer(text, 100, high, default))


def _integer(text: str | None, low: int, high: int, default: int) -> int:
    value = int(text) if text and text.isascii() and text.isdigit() else default
    return value if low <= value <= high else default


def _kinds(text: str) -> frozenset[str]:
    known = frozenset({"ct", "rt", "4xx", "5xx"})
    return known if text == "all" else known.intersection(text.split(",")) or frozenset({"ct"})


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """How one try ended; `body` of an ok one.

    `kind`: ok, ct (no connection), rt (no answer), 4xx, 5xx, twiml (an answer that cannot be read).
    """

    kind: str
    body: str = ""


# Codes told to a fallback URL: https://www.twilio.com/docs/api/errors/11200, 11205 and 12100
WEBHOOK_ERRORS = {"4xx": 11200, "5xx": 11200, "ct": 11205, "rt": 11205, "twiml": 12100}


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One webhook to post. `topic` is the status it tells of; `token` stays the same over all tries."""

    sid: str
    topic: str
    url: str
    fields: Mapping[str, str]
    signature: str
    token: str
    rules: CallbackRules
    started: datetime
    tries: int = 0

    def headers(self) -> dict[str, str]:
        """What Twilio adds to the request."""
        return {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": self.signature,
            "I-Twilio-Idempotency-Token": self.token,
        }

    def body(self) -> bytes:
        """The form on the wire."""
        return "&".join(f"{name}={_quoted(value)}" for name, value in self.fields.items()).encode()


@lru_cache(maxsize=1024)
def _quoted(value: str) -> str:
    """Most values come again and again: quoting is a third of what a callback costs otherwise."""
    return quote_plus(value)


def delivery(
    message: Message, topic: str, url: str, fields: dict[str, str], account: Account, now: datetime
) -> WebhookDelivery:
    """The first try of a webhook. The fragment of the URL is instruction, not address."""
    address, _, fragment = url.partition("#")
    return WebhookDelivery(
        sid=message.sid,
        topic=topic,
        url=address,
        fields=fields,
        signature=sign(account.auth_token, address, fields),
        token=hex32(message.sid, topic),
        rules=CallbackRules.parse(fragment),
        started=now,
    )


def sign(token: str, url: str, fields: Mapping[str, str]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL without user and password, then every field by name.

    Source: https://www.twilio.com/docs/usage/security
    """
    said = _without_user(url) + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.digest(token.encode(), said.encode("utf-8", "replace"), sha1)).decode()


def _without_user(url: str) -> str:
    if "@" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def retry(failed: WebhookDelivery, reply: WebhookResponse, now: datetime, pause: timedelta) -> WebhookDelivery | None:
    """The next try, or None when the rules allow none: wrong kind, too many, or out of total time."""
    in_time = now + pause - failed.started < failed.rules.total
    if reply.kind not in failed.rules.on or failed.tries >= failed.rules.retries or not in_time:
        return None
    return replace(failed, tries=failed.tries + 1)


def status_fields(message: Message, status: str, code: int | None, at: datetime) -> dict[str, str]:
    """Form of a status callback: no price and no segments in it.

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


_PLACES = ("FromCity", "FromState", "FromZip", "FromCountry", "ToCity", "ToState", "ToZip", "ToCountry")


def inbound_fields(message: Message) -> dict[str, str]:
    """Form of an incoming message; places that Twilio doesn't know are there and blank.

    Source: https://www.twilio.com/docs/messaging/guides/webhook-request
    """
    fields = dict.fromkeys(_PLACES, "") | {
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
