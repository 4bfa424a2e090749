"""Intake of a send request: parsed once, into all that is needed to send it, or refused with the field and the fix."""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from processors.core.person.decision import UnprocessableRecord
from processors.core.person.rules.verdicts import Refuse
from processors.core.policy import Policy, Sender, UnknownSenderError
from processors.core.sms import rate_card
from processors.core.sms.phone_numbers import BadNumber, PhoneNumber, parse_number
from processors.core.sms.segments import Measure, measure, smart_encode
from schemas.reasons import DeadLetterReason, FailureReason
from schemas.records import SendRequest
from schemas.states import MessageState, Phase

MAX_BODY = 1_600
"""Characters of one message. Source: Twilio error 21617."""
MAX_MEDIA = 10
"""Media files of one message. Source: https://www.twilio.com/docs/messaging/api/message-resource, ``MediaUrl``."""
MAX_TO = 100
"""Characters of a recipient that can still be a key; no real number is longer than 16."""
VALIDITY_S = range(1, 36_001)
"""Seconds. Source: https://www.twilio.com/docs/messaging/api/message-resource, ``ValidityPeriod``."""
_MESSAGE_ID = re.compile(r"[!-~]{1,200}")
_NOT_CONTENT = frozenset({"requested_at", "replay_id"})


class ParsedRequest(Struct, frozen=True):
    """A send request without a fault, and what was read from it.

    Attributes:
        number: The recipient.
        sender: The sender that the request asks for, or that the policy chooses.
        measure: The size of the text as it will be sent, after smart encoding where the request asks for that.
    """

    request: SendRequest
    number: PhoneNumber
    sender: Sender
    measure: Measure


def parse_request(request: SendRequest, policy: Policy) -> ParsedRequest | Refuse:
    """Read a request: all that is needed to send it, or why it cannot be sent."""
    number = parse_number(request.to)
    if isinstance(number, BadNumber):
        return Refuse(number.reason, f"to: {number.detail}")
    sender = _requested_sender(request, policy)
    if isinstance(sender, Refuse):
        return sender
    fault = _content_fault(request) or _time_fault(request, policy)
    if fault is not None:
        return fault
    text = request.body or ""
    return ParsedRequest(request, number, sender, measure(smart_encode(text) if request.smart_encoding else text))


def content_hash(request: SendRequest) -> str:
    """A digest of all fields but ``requested_at`` and ``replay_id``.

    It tells a repeated request from another request under the same ``message_id``.
    """
    content = [_ordered(getattr(request, name)) for name in request.__struct_fields__ if name not in _NOT_CONTENT]
    return blake2b(repr(content).encode(), digest_size=16).hexdigest()


def _ordered(value: object) -> object:
    return sorted(value.items()) if isinstance(value, dict) else value


def open_message(request: SendRequest, policy: Policy, now: datetime) -> MessageState:
    """The state of a new message, before any rule was asked.

    Raises:
        UnprocessableRecord: ``message_id`` or ``to`` cannot be part of a key, so no state can be stored.
    """
    if not _MESSAGE_ID.fullmatch(request.message_id):
        raise UnprocessableRecord(
            DeadLetterReason.BAD_MESSAGE_ID,
            f"message_id {request.message_id!r}: give 1 to 200 visible ASCII characters",
        )
    if not 0 < len(request.to) <= MAX_TO or not request.to.isprintable():
        raise UnprocessableRecord(
            DeadLetterReason.BAD_NUMBER, f"to {request.to[:MAX_TO]!r}: give a number in E.164, like +12125550123"
        )
    class_policy = policy.classes[request.message_class]
    return MessageState(
        message_id=request.message_id,
        phase=Phase.WAITING,
        request=request,
        request_hash=content_hash(request),
        lane=class_policy.lane,
        deadline=request.deadline or max(now, request.send_at or now) + class_policy.deadline,
        updated_at=now,
    )


def with_measures(message: MessageState, parsed: ParsedRequest, policy: Policy, now: datetime) -> MessageState:
    """The message with its country, number type, encoding, segments and estimated cost."""
    segments = max(1, parsed.measure.segments)
    number_type, country = parsed.sender.number_type, parsed.number.region
    media = len(message.request.media_urls)
    money = rate_card.estimate(segments, country, number_type, media, now, policy.rates)
    return replace(
        message,
        country=country,
        number_type=number_type,
        encoding=parsed.measure.encoding,
        segments=segments,
        estimated_cost=money.amount,
        currency=money.currency,
    )


def find_sender(request: SendRequest, policy: Policy) -> Sender:
    """The sender that a request asks for, or that the policy chooses.

    Raises:
        UnknownSenderError: This installation has no such sender or pool; the text lists those it has.
    """
    named = request.sender or request.messaging_service
    return policy.sender(named) if named else policy.sender_for(request.to, request.sender_pool)


def _requested_sender(request: SendRequest, policy: Policy) -> Sender | Refuse:
    given = [name for name in ("sender", "messaging_service", "sender_pool") if getattr(request, name) is not None]
    if len(given) > 1:
        detail = f"{' and '.join(given)}: give one of them, or none for the default pool"
        return Refuse(FailureReason.AMBIGUOUS_SENDER, detail)
    try:
        sender = find_sender(request, policy)
    except UnknownSenderError as error:
        return Refuse(FailureReason.UNKNOWN_SENDER, f"{given[0] if given else 'sender_pool'}: {error}", replayable=True)
    if request.shorten_urls and sender.kind != "service":
        detail = "shorten_urls: only a Messaging Service can shorten links"
        return Refuse(FailureReason.SHORTEN_URLS_NEEDS_SERVICE, detail)
    return sender


def _content_fault(request: SendRequest) -> Refuse | None:
    if not (request.body or request.content_sid or request.media_urls):
        return Refuse(FailureReason.EMPTY_MESSAGE, "body: empty; give body, content_sid or media_urls")
    if request.body and not request.body.strip() and not request.media_urls:
        return Refuse(FailureReason.EMPTY_MESSAGE, "body: only white space; give a text")
    if request.body and request.content_sid:
        return Refuse(FailureReason.TWO_CONTENTS, "body and content_sid: give one of them")
    if len(request.body or "") > MAX_BODY:
        detail = f"body: {len(request.body or '')} characters, Twilio takes {MAX_BODY}"
        return Refuse(FailureReason.BODY_TOO_LONG, detail)
    if request.content_variables and not request.content_sid:
        return Refuse(FailureReason.VARIABLES_WITHOUT_CONTENT, "content_variables: they need content_sid")
    if len(request.media_urls) > MAX_MEDIA:
        return Refuse(FailureReason.TOO_MANY_MEDIA, f"media_urls: {len(request.media_urls)}, Twilio takes {MAX_MEDIA}")
    return None


def _time_fault(request: SendRequest, policy: Policy) -> Refuse | None:
    if request.validity_s is not None and request.validity_s not in VALIDITY_S:
        return Refuse(FailureReason.BAD_VALIDITY, f"validity_s: {request.validity_s}; give 1 to 36000 seconds")
    if request.deadline and request.send_at and request.deadline <= request.send_at:
        return Refuse(FailureReason.DEADLINE_BEFORE_SEND_AT, "deadline: before send_at; give a later one")
    if request.time_zone is not None and request.time_zone not in policy.time_zones:
        detail = f"time_zone: {request.time_zone!r} is no IANA zone, like America/Chicago"
        return Refuse(FailureReason.UNKNOWN_TIME_ZONE, detail)
    return None
