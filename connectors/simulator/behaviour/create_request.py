"""Validation of a create request, by its form and the settings alone.

Source: https://www.twilio.com/docs/messaging/api/message-resource and the page of each code under
https://www.twilio.com/docs/api/errors.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import orjson

from connectors.simulator.behaviour.magic_numbers import magic_from, magic_to
from connectors.simulator.carrier.segments import count_segments, smart_encoded
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.settings import Account, Service, SimulationSettings

_MAX_BODY = 1600
_MAX_MEDIA = 10
_MAX_CALLBACK_URL = 4000
_E164 = re.compile(r"\+[1-9]\d{6,14}\Z")
_NANP = re.compile(r"\+1[2-9]\d{2}[2-9]\d{6}\Z")
_MAGIC = re.compile(r"\+1500555\d{4}\Z")
_SHORT = re.compile(r"\d{3,8}\Z")
_CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}\Z")
_SENDER = re.compile(r"(\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11})\Z")

Form = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A valid create request; its fields are those of ``Message``."""

    to: str
    text: str
    segments: int
    media: int
    sender: str | None
    service: str | None
    callback: str | None
    validity_s: int
    send_at: datetime | None


def read_create_request(
    form: Form, account: Account, settings: SimulationSettings, now: datetime
) -> CreateRequest | ApiError:
    """The validated request, or the first error in it, in the order in which Twilio checks."""
    return (
        _check_to(form)
        or _check_sender(form, account, settings)
        or _check_content(form)
        or _check_callback(form)
        or _check_validity(form)
        or _check_schedule(form, settings, now)
        or _build(form)
    )


def _build(form: Form) -> CreateRequest:
    body, service, send_at = (
        _first_value(form, "Body"),
        _first_value(form, "MessagingServiceSid"),
        _first_value(form, "SendAt"),
    )
    text = smart_encoded(body) if _first_value(form, "SmartEncoded").lower() == "true" else body
    return CreateRequest(
        to=_first_value(form, "To"),
        text=body,
        segments=count_segments(text),
        media=len(form.get("MediaUrl", ())),
        sender=_first_value(form, "From") or None,
        service=service or None,
        callback=_first_value(form, "StatusCallback") or None,
        validity_s=int(_first_value(form, "ValidityPeriod") or 36000),
        send_at=_parse_send_at(send_at) if send_at and _first_value(form, "ScheduleType") else None,
    )


def _first_value(form: Form, name: str) -> str:
    """The first value of a parameter, or an empty string."""
    values = form.get(name, ())
    return values[0] if values else ""


def _check_to(form: Form) -> ApiError | None:
    to = _first_value(form, "To")
    if not to:
        return ApiError(21604)
    if to == _first_value(form, "From"):
        return ApiError(21266, to)
    if _SHORT.match(to):
        return ApiError(21265, to)
    return magic_to(to) or (None if _is_phone_number(to) else ApiError(21211, to))


def _is_phone_number(text: str) -> bool:
    """Whether a text has the form of an E.164 phone number."""
    return bool(_MAGIC.match(text) or (_NANP if text.startswith("+1") else _E164).match(text))


def _check_sender(form: Form, account: Account, settings: SimulationSettings) -> ApiError | None:
    sender, service_sid = _first_value(form, "From"), _first_value(form, "MessagingServiceSid")
    if service_sid:
        return _check_service(service_sid, account.service(service_sid), sender)
    if not sender:
        return ApiError(21603)
    if account.owns(sender):
        return None
    if account.test_credentials:
        return magic_from(sender)
    if not _SENDER.match(sender):
        return ApiError(21212, sender)
    if sender[0] not in "+0123456789":
        return ApiError(21606, sender)
    return ApiError(21660 if settings.owner(sender) else 21659, sender)


def _check_service(sid: str, service: Service | None, sender: str) -> ApiError | None:
    if service is None:
        return ApiError(21701, sid)
    if not service.numbers:
        return ApiError(21704, sid)
    return ApiError(21606, sender) if sender and sender not in service.numbers else None


def _check_content(form: Form) -> ApiError | None:
    body, media = _first_value(form, "Body"), form.get("MediaUrl", ())
    if not (body or media or _first_value(form, "ContentSid") or _first_value(form, "ContentVariables")):
        return ApiError(21602)
    if len(body) > _MAX_BODY:
        return ApiError(21617)
    return ApiError(21623) if len(media) > _MAX_MEDIA else _check_template(form)


def _check_template(form: Form) -> ApiError | None:
    sid, variables = _first_value(form, "ContentSid"), _first_value(form, "ContentVariables")
    if variables and not sid:
        return ApiError(21654)
    if sid and not _CONTENT_SID.match(sid):
        return ApiError(21655, sid)
    return ApiError(21656) if variables and not _is_object(variables) else None


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _check_callback(form: Form) -> ApiError | None:
    url = _first_value(form, "StatusCallback")
    return ApiError(21609, url) if url and not _is_callback_url(url) else None


def _is_callback_url(url: str) -> bool:
    try:
        split = urlsplit(url)
        host, _port = split.hostname or "", split.port  # reading an invalid port raises
    except ValueError:
        return False
    return split.scheme in ("http", "https") and bool(host) and "_" not in host and len(url) <= _MAX_CALLBACK_URL


def _check_validity(form: Form) -> ApiError | None:
    text = _first_value(form, "ValidityPeriod")
    valid = not text or (text.isascii() and text.isdigit() and 1 <= int(text) <= 36000)
    return None if valid else ApiError(21624, text)


def _check_schedule(form: Form, settings: SimulationSettings, now: datetime) -> ApiError | None:
    kind, text = _first_value(form, "ScheduleType"), _first_value(form, "SendAt")
    if not kind and not text:
        return None
    if kind != "fixed":
        return ApiError(35126, kind)
    if not _first_value(form, "MessagingServiceSid"):
        return ApiError(35118)
    if not text:
        return ApiError(35111)
    when = _parse_send_at(text)
    if when is None:
        return ApiError(35114, text)
    in_window = settings.schedule_min <= when - now <= settings.schedule_max
    return None if in_window else ApiError(35114, text)


def _parse_send_at(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
