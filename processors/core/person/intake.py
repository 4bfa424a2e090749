"""Intake of a send request: is it new, and is it one that can be sent at all?"""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import blake2b
from zoneinfo import available_timezones

from msgspec.structs import replace

from processors.core.person.decision import UnprocessableRecord
from processors.core.person.rules import Refuse
from processors.core.policy import Policy, Sender, UnknownSenderError
from processors.core.sms import phone_numbers, rate_card, segments
from schemas.records import SendRequest
from schemas.states import MessageState, Phase

MAX_BODY = 1_600
"""Characters Twilio takes in one message (error 21617)."""
MAX_MEDIA = 10
MAX_TO = 100
VALIDITY_S = range(1, 36_001)
_MESSAGE_ID = re.compile(r"[!-~]{1,200}")
_VOLATILE = frozenset({"requested_at", "replay_id"})


def content_hash(request: SendRequest) -> str:
    """Tells a repeated request from another one under the same id: all but the time and the replay."""
    content = [_ordered(getattr(request, name)) for name in request.__struct_fields__ if name not in _VOLATILE]
    return blake2b(repr(content).encode(), digest_size=16).hexdigest()


def _ordered(value: object) -> object:
    return sorted(value.items()) if isinstance(value, dict) else value


def open_message(request: SendRequest, policy: Policy, now: datetime) -> MessageState:
    """A new message, not yet judged by any rule. Raises UnprocessableRecord if its id or its number cannot be a key."""
    if not _MESSAGE_ID.fullmatch(request.message_id):
        raise UnprocessableRecord(
            "bad_message_id", f"message_id {request.message_id!r}: give 1 to 200 visible ASCII characters"
        )
    if not 0 < len(request.to) <= MAX_TO or not request.to.isprintable():
        raise UnprocessableRecord(
            "bad_number", f"to {request.to[:MAX_TO]!r}: give a number in E.164, like +12125550123"
        )
    kind = policy.classes[request.message_class]
    return MessageState(
        message_id=request.message_id,
        phase=Phase.WAITING,
        request=request,
        request_hash=content_hash(request),
        lane=kind.lane,
        deadline=request.deadline or max(now, request.send_at or now) + kind.deadline,
        updated_at=now,
    )


def sender_of(request: SendRequest, policy: Policy) -> Sender:
    """The sender a request asks for. Raises UnknownSenderError, naming those there are."""
    named = request.sender or request.messaging_service
    return policy.sender(named) if named else policy.sender_for(request.to, request.sender_pool)


def fault(request: SendRequest, policy: Policy) -> Refuse | None:
    """What makes a request impossible to send, in words that name the field and the fix, or None."""
    return _bad_number(request) or _bad_sender(request, policy) or _bad_content(request) or _bad_times(request)


def measured(message: MessageState, policy: Policy, now: datetime) -> MessageState:
    """The message with what it will take: country, number type, encoding, segments and the estimate of its cost.

    Only for a request without a fault.
    """
    request = message.request
    sender = sender_of(request, policy)
    number = phone_numbers.parse_number(request.to)
    assert isinstance(number, phone_numbers.PhoneNumber)
    text = request.body or ""
    measure = segments.measure(segments.smart_encode(text) if request.smart_encoding else text)
    count = max(1, measure.segments)
    money = rate_card.estimate(count, number.region, sender.number_type, len(request.media_urls), now, policy.rates)
    return replace(
        message,
        country=number.region,
        number_type=sender.number_type,
        encoding=measure.encoding,
        segments=count,
        estimated_cost=money.amount,
        currency=money.currency,
    )


def _bad_number(request: SendRequest) -> Refuse | None:
    number = phone_numbers.parse_number(request.to)
    return Refuse(number.reason, f"to: {number.detail}") if isinstance(number, phone_numbers.BadNumber) else None


def _bad_sender(request: SendRequest, policy: Policy) -> Refuse | None:
    given = [name for name in ("sender", "messaging_service", "sender_pool") if getattr(request, name) is not None]
    if len(given) > 1:
        return Refuse("ambiguous_sender", f"{' and '.join(given)}: give one of them, or none for the default pool")
    try:
        sender = sender_of(request, policy)
    except UnknownSenderError as error:
        return Refuse("unknown_sender", f"{given[0] if given else 'sender_pool'}: {error}", replayable=True)
    if request.shorten_urls and sender.kind != "service":
        return Refuse("shorten_urls_needs_service", "shorten_urls: only a Messaging Service can shorten links")
    return None


def _bad_content(request: SendRequest) -> Refuse | None:
    if not (request.body or request.content_sid or request.media_urls):
        return Refuse("empty_message", "body: empty; give body, content_sid or media_urls")
    if request.body and not request.body.strip() and not request.media_urls:
        return Refuse("empty_message", "body: only white space; give a text")
    if request.body and request.content_sid:
        return Refuse("two_contents", "body and content_sid: give one of them")
    if len(request.body or "") > MAX_BODY:
        return Refuse("body_too_long", f"body: {len(request.body or '')} characters, Twilio takes {MAX_BODY}")
    if request.content_variables and not request.content_sid:
        return Refuse("variables_without_content", "content_variables: they need content_sid")
    if len(request.media_urls) > MAX_MEDIA:
        return Refuse("too_many_media", f"media_urls: {len(request.media_urls)}, Twilio takes {MAX_MEDIA}")
    return None


def _bad_times(request: SendRequest) -> Refuse | None:
    if request.validity_s is not None and request.validity_s not in VALIDITY_S:
        return Refuse("bad_validity", f"validity_s: {request.validity_s}; give 1 to 36000 seconds")
    if request.deadline and request.send_at and request.deadline <= request.send_at:
        return Refuse("deadline_before_send_at", "deadline: before send_at; give a later one")
    if request.time_zone is not None and request.time_zone not in available_timezones():
        return Refuse("unknown_time_zone", f"time_zone: {request.time_zone!r} is no IANA zone, like America/Chicago")
    return None
