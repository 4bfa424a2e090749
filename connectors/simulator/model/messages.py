"""One message as the simulator stores it, and as Twilio's Message resource shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

API_VERSION = "2010-04-01"
PRICE_UNIT = "USD"
FINAL = frozenset({"delivered", "undelivered", "failed", "canceled", "received", "read"})


@dataclass(slots=True)
class Message:
    """A message and everything that happened to it. Instants are UTC.

    Args:
        sid: The message's SID, ``SM…`` or, with media, ``MM…``.
        account: SID of the account the message belongs to.
        kind: ``api`` (created by a client), ``reply`` (from TwiML), ``confirmation`` (Twilio's own reply to a keyword)
            or ``inbound``.
        to: The recipient's number.
        text: The text as it was sent; redaction does not change it.
        created: When the message was accepted.
        status: Its status, in Twilio's words.
        segments: How many segments are billed.
        nth: Which message with this text to this person it is, from 1.
        sender: The sender's number; None while a Messaging Service has not chosen one.
        service: SID of its Messaging Service, or None.
        callback: URL for status callbacks, or None.
        media: How many media files are attached.
        validity_s: Seconds it may wait in queues.
        send_at: When a scheduled message is to be sent.
        opt_out_type: ``STOP``, ``START`` or ``HELP``, where Advanced Opt-Out recognised an inbound keyword.
        code: Its error code, or None.
        refused: The error code with which the carrier refuses the message after Twilio has sent it, or None.
        price: Its final price, negative, once it is known.
        deleted: Whether a client deleted it; the ledger still shows it.

    ``body`` is what the API shows: redaction empties it. ``history`` is every status with its time.
    ``callback_results`` says how the webhook of each status ended: ``delivered``, ``given_up`` or ``lost``.
    """

    sid: str
    account: str
    kind: str
    to: str
    text: str
    created: datetime
    status: str
    segments: int
    nth: int
    sender: str | None = None
    service: str | None = None
    callback: str | None = None
    media: int = 0
    validity_s: int = 36000
    send_at: datetime | None = None
    opt_out_type: str | None = None
    body: str = field(init=False)
    updated: datetime = field(init=False)
    sent_at: datetime | None = field(init=False)
    code: int | None = None
    refused: int | None = None
    price: Decimal | None = None
    deleted: bool = False
    history: list[tuple[str, datetime]] = field(default_factory=list)
    callback_results: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.updated = self.created
        self.body = self.text
        self.sent_at = self.created if self.status == "received" else None
        self.history.append((self.status, self.created))

    @property
    def final(self) -> bool:
        """Whether the status can no longer change."""
        return self.status in FINAL

    @property
    def person(self) -> str:
        """The number on the other side: the sender of an inbound message, the recipient of any other."""
        return (self.sender if self.kind == "inbound" else self.to) or ""

    def enter_status(self, status: str, at: datetime, code: int | None = None) -> None:
        """Set the status and add it to the history."""
        self.status, self.updated, self.code = status, at, code
        self.history.append((status, at))
        if status in ("sent", "received"):
            self.sent_at = at


_DIRECTIONS = {"api": "outbound-api", "inbound": "inbound", "reply": "outbound-reply", "confirmation": "outbound-reply"}


def message_resource(message: Message) -> dict[str, Any]:
    """The Message resource with Twilio's wire types: counts and price are strings, dates are RFC 2822.

    While a Messaging Service has chosen no sender, ``from`` is null and ``num_segments`` is "0".

    Source: https://www.twilio.com/docs/messaging/api/message-resource
    """
    uri = f"/{API_VERSION}/Accounts/{message.account}/Messages/{message.sid}"
    unsent = message.sender is None
    return {
        "account_sid": message.account,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": format_datetime(message.created),
        "date_sent": format_datetime(message.sent_at) if message.sent_at else None,
        "date_updated": format_datetime(message.updated),
        "direction": _DIRECTIONS[message.kind],
        "error_code": message.code,
        "error_message": error_text(message.code),
        "from": message.sender,
        "messaging_service_sid": message.service,
        "num_media": str(message.media),
        "num_segments": "0" if unsent else str(message.segments),
        "price": None if message.price is None else f"{message.price:f}",
        "price_unit": None if message.price is None else PRICE_UNIT,
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


# Codes from https://www.twilio.com/docs/api/errors; the texts are ours.
_ERROR_TEXTS = {
    14107: "SMS send rate limit exceeded",
    21610: "Attempt to send to unsubscribed recipient",
    30001: "Queue overflow",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
    30022: "US A2P 10DLC - rate limits exceeded",
    30023: "US A2P 10DLC - daily message cap reached",
    30036: "Validity period expired",
}


def error_text(code: int | None) -> str | None:
    """The text of an error code; None where there is no error, ``Error`` for a code without a text."""
    return None if code is None else _ERROR_TEXTS.get(code, "Error")
