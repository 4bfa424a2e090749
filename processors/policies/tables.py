"""Turns each data file's text into the values of the core. Every function raises `PolicyError` on the first mistake."""

from __future__ import annotations

from datetime import date
from typing import Literal, cast

from processors.core.inbound.meaning import Meaning, fold
from processors.core.policy import ClassPolicy, SenderType, Timing
from processors.core.sms.rate_card import Direction, Kind, Rate, RateCard
from processors.core.sms.retry_policy import Code, Codes, Retry, Schedule
from processors.policies.rows import (
    PolicyError,
    PolicyRow,
    amount,
    csv_rows,
    flag,
    one_of,
    optional,
    positive,
    present,
    toml_sections,
    word,
)
from schemas.durations import parse_duration
from schemas.records import Lane, MessageClass

ACTIONS = (
    *("opt_out", "opt_out_if_toll_free", "suppress"),  # the person
    *("stop_sender", "pause_sender", "slow_down", "other_sender", "hold_brand", "stop_account"),  # the sender
    *("fix_request", "fix_content", "fix_config"),  # who asked, or who set it up
    *("retry", "reschedule", "settle", "alert", "none"),
)
_ALL_CODES = (-(10**12), 10**12)


def codes(text: str, file: str = "twilio_codes.csv") -> Codes:
    """Rows by single code (``30003``), by range (``30000-39999``), and one ``*`` for all others."""
    single: dict[int, Code] = {}
    ranges: list[tuple[int, int, Code]] = []
    columns = ("code", "where", "meaning", "retry", "resend", "tries", "blame", "action", "reason", "source")
    for row in csv_rows(file, text, columns):
        low, high = row.read("code", _span)
        code = _code(row, low if low == high else None)
        if low != high:
            ranges.append((low, high, code))
        elif low in single:
            raise row.problem("code", f"{low} stands there twice")
        else:
            single[low] = code
    ranges.sort(key=lambda span: span[1] - span[0])
    if not ranges or ranges[-1][:2] != _ALL_CODES:
        raise PolicyError(f"{file}: no row for any other code (*)")
    return Codes(single, tuple(ranges))


def _code(row: PolicyRow, number: int | None) -> Code:
    row.read("source", present)
    code = Code(
        code=number,
        where=row.read("where", one_of("C", "D", "both", "other")),
        meaning=row.read("meaning", present),
        retry=row.read("retry", Retry),
        resend=row.read("resend", flag),
        tries=row.read("tries", optional(int)),
        blame=row.read("blame", one_of(*"RSTKPA")),
        action=row.read("action", one_of(*ACTIONS)),
        reason=row.read("reason", word),
    )
    if code.resend and code.retry is not Retry.LATER:
        raise row.problem("resend", f"yes, but retry is {code.retry}")
    return code


def _span(text: str) -> tuple[int, int]:
    if text == "*":
        return _ALL_CODES
    low, _, high = text.partition("-")
    span = int(low), int(high or low)
    if span[0] > span[1]:
        raise ValueError("a range goes from low to high")
    return span


def rates(text: str, file: str = "rate_card.csv") -> RateCard:
    """Dated prices; no two rows for the same messages on the same day, and a row for any country."""
    key = ("country", "number_type", "kind", "direction")
    columns = (*key, "base", "carrier_fee", "currency", "from", "until", "source")
    rows = [_rate(row) for row in csv_rows(file, text, columns)]
    try:
        card = RateCard.of(rows)
    except ValueError as error:
        raise PolicyError(f"{file}: {error}") from None
    for kind in ("sms", "mms"):
        if ("*", "*", kind, "outbound") not in card.rates:
            raise PolicyError(f"{file}: no outbound {kind} row for any country and number type (*,*)")
    return card


def _rate(row: PolicyRow) -> Rate:
    row.read("source", present)
    return Rate(
        country=row.read("country", _country),
        number_type=row.read("number_type", present),
        kind=cast(Kind, row.read("kind", one_of("sms", "mms"))),
        direction=cast(Direction, row.read("direction", one_of("outbound", "inbound"))),
        base=row.read("base", amount),
        carrier_fee=row.read("carrier_fee", amount),
        currency=row.read("currency", _currency),
        since=row.read("from", optional(date.fromisoformat)),
        until=row.read("until", optional(date.fromisoformat)),
    )


def _country(text: str) -> str:
    if text != "*" and not (len(text) == 2 and text.isascii() and text.isupper()):
        raise ValueError("neither an ISO 3166 country of two capitals nor *")
    return text


def _currency(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isupper()):
        raise ValueError("not an ISO 4217 currency of three capitals")
    return text


def sender_types(text: str, file: str = "sender_types.csv") -> tuple[SenderType, ...]:
    """Limits by type and tier; a destination's own row stands beside the one for all others."""
    rows = csv_rows(file, text, ("type", "tier", "destination", "mps", "queue_hours", "source"))
    return tuple(_sender_type(row) for row in rows)


def _sender_type(row: PolicyRow) -> SenderType:
    row.read("source", present)
    return SenderType(
        type=row.read("type", present),
        tier=row.read("tier", str),
        destination=row.read("destination", _country),
        mps=row.read("mps", positive),
        queue_hours=row.read("queue_hours", positive),
    )


def keywords(text: str, file: str = "keywords.csv") -> dict[str, Meaning]:
    """Words that are a whole reply, in the form replies are folded to; no word with two meanings."""
    found: dict[str, Meaning] = {}
    for row in csv_rows(file, text, ("words", "meaning", "language", "since", "source")):
        row.read("source", present)
        row.read("since", optional(date.fromisoformat))
        words = row.read("words", present)
        if fold(words) != words:
            raise row.problem("words", f"{words!r} never matches, replies are folded to {fold(words)!r}")
        if words in found:
            raise row.problem("words", f"{words!r} stands there twice")
        found[words] = row.read("meaning", Meaning)
    return found


def classes(text: str, file: str = "classes.toml") -> dict[MessageClass, ClassPolicy]:
    """One section per message class, all of them."""
    sections = toml_sections(file, text)
    if set(sections) != set(MessageClass):
        raise PolicyError(f"{file}: sections are {sorted(sections)}, expected {sorted(MessageClass)}")
    return {MessageClass(name): _class(row) for name, row in sections.items()}


def _class(row: PolicyRow) -> ClassPolicy:
    return ClassPolicy(
        lane=row.read("lane", Lane),
        deadline=row.read("deadline", parse_duration),
        on_unknown=cast(Literal["expire", "park"], row.read("on_unknown", one_of("expire", "park"))),
        resend_after_acceptance=row.read("resend_after_acceptance", flag),
    )


def timing(text: str, file: str = "timing.toml") -> tuple[Schedule, Timing]:
    """The sections ``retries`` and ``timing``."""
    sections = toml_sections(file, text)
    if set(sections) != {"retries", "timing"}:
        raise PolicyError(f"{file}: sections are {sorted(sections)}, expected ['retries', 'timing']")
    retries, waits = sections["retries"], sections["timing"]
    schedule = Schedule(
        first=retries.read("first", parse_duration),
        longest=retries.read("longest", parse_duration),
        tries=retries.read("tries", int),
    )
    return schedule, Timing(
        message_window=waits.read("message_window", parse_duration),
        intent_life=waits.read("intent_life", parse_duration),
        look_ups=waits.read_each("look_ups", parse_duration),
        settle_by=waits.read("settle_by", parse_duration),
        call_timeout=waits.read("call_timeout", parse_duration),
        status_within=waits.read("status_within", parse_duration),
        confirm_within=waits.read("confirm_within", parse_duration),
    )
