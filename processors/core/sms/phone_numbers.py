"""A recipient's number: E.164 only, with its region and the time zones it may be in.

A number is usable when it is *possible* (its country and its length exist), even if it is not *valid* (its range is
assigned): ranges are assigned before the metadata knows, and Twilio decides in the end (errors 21211, 21614). Numbers
reserved for fiction and Twilio's magic numbers are not valid by design, and must pass. Premium-rate and shared-cost
numbers are refused: texting them is expensive, and they belong to no person.

There is no default region: a national number means different people in different countries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult, timezone

from schemas.reasons import FailureReason

_CACHED = 16_384  # most people are texted more than once
_SHOWN = 40  # characters of a bad number that its explanation quotes
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_DECORATION = re.compile(r"[\s().\-/\u00a0\u200e\u202a\u202c\u2010-\u2015]")


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A usable number.

    Attributes:
        region: ISO 3166 code of the country, or ``001`` for a global network.
        zones: IANA names of all time zones the number may be in; empty where none is known.
    """

    e164: str
    region: str
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BadNumber:
    """A number that cannot be texted. ``detail`` says what is wrong and how to write the number."""

    raw: str
    reason: FailureReason
    detail: str


_COSTLY = {PhoneNumberType.PREMIUM_RATE: "premium-rate", PhoneNumberType.SHARED_COST: "shared-cost"}
_IMPOSSIBLE = {
    ValidationResult.INVALID_COUNTRY_CODE: "no such country calling code",
    ValidationResult.TOO_SHORT: "too short",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "too short, the area code is missing",
    ValidationResult.TOO_LONG: "too long",
    ValidationResult.INVALID_LENGTH: "no number has this length",
}


def parse_number(raw: str) -> PhoneNumber | BadNumber:
    """Read an E.164 number, or explain why it cannot be texted."""
    if not _E164.fullmatch(raw):  # checked before the cache, which must not store texts of any length
        shown = raw[:_SHOWN]
        return BadNumber(raw, FailureReason.NOT_E164, f"{shown!r}: {_how_to_write(shown)}")
    return _parse(raw)


@lru_cache(maxsize=_CACHED)
def _parse(raw: str) -> PhoneNumber | BadNumber:
    try:
        number = phonenumbers.parse(raw, None)
    except phonenumbers.NumberParseException as error:
        return BadNumber(raw, FailureReason.IMPOSSIBLE_NUMBER, f"{raw}: {_unreadable(error)}; {_like('US')}")
    return _checked(raw, number)


def _checked(raw: str, number: phonenumbers.PhoneNumber) -> PhoneNumber | BadNumber:
    country = _country(number)
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != ValidationResult.IS_POSSIBLE:
        detail = f"{raw}: {_IMPOSSIBLE[possible]} for {country}; {_like(country)}"
        return BadNumber(raw, FailureReason.IMPOSSIBLE_NUMBER, detail)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if e164 != raw:  # a national prefix inside: two spellings of one number would be two keys
        return BadNumber(raw, FailureReason.NOT_E164, f"{raw}: not the international form; write {e164}")
    line = phonenumbers.number_type(number)
    if line in _COSTLY:
        detail = f"{raw}: a {_COSTLY[line]} number in {country}; give the person's own number"
        return BadNumber(raw, FailureReason.PREMIUM_NUMBER, detail)
    return PhoneNumber(e164, country, _zones(number))


def _country(number: phonenumbers.PhoneNumber) -> str:
    """The number's country, or the main country of its calling code where the number's range is not assigned."""
    region = phonenumbers.region_code_for_number(number)
    return region or phonenumbers.region_code_for_country_code(number.country_code or 0)


def _zones(number: phonenumbers.PhoneNumber) -> tuple[str, ...]:
    zones: tuple[str, ...] = timezone.time_zones_for_geographical_number(number)
    return () if zones == (timezone.UNKNOWN_TIMEZONE,) else zones


def _how_to_write(raw: str) -> str:
    bare = _DECORATION.sub("", raw)
    if not bare:
        return f"empty; {_like('US')}"
    if _E164.fullmatch(bare):
        return f"not E.164; write {bare}"
    if bare.startswith("00"):
        return f"no leading +; {_like('US')}, + in place of 00"
    if bare.isdecimal():
        return f"no leading + and country code; {_like('US')}"
    return f"not a phone number; {_like('US')}"


def _unreadable(error: phonenumbers.NumberParseException) -> str:
    unknown = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
    return "no such country calling code" if unknown else "too short or too long to be a phone number"


def _like(country: str) -> str:
    examples = {"US": "+12125550123", "CA": "+16135550123", "GB": "+447700900123"}
    return f"give E.164, like {examples.get(country, examples['US'])}"
