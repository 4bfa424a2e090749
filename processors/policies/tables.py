"""The data files' rows, and the values of the core that are made from each file's text."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_core.core_schema import ValidationInfo

from processors.core.inbound.meaning import Meaning
from processors.core.policy import ClassPolicy, SenderType, Timing
from processors.core.sms.rate_card import Direction, Kind, Rate, RateCard
from processors.core.sms.retry_policy import Code, CodeAction, Codes, Retry, RetrySchedule
from processors.policies.fields import (
    ALL_CODES,
    Amount,
    CodeSpan,
    Country,
    Currency,
    Duration,
    FoldedWords,
    OptionalCount,
    OptionalDay,
    Present,
    SegmentsPerSecond,
    Word,
    YesOrEmpty,
)
from processors.policies.rows import PolicyError, PolicyRow, check_rows, csv_rows, toml_sections
from schemas.enums import Lane, MessageClass


class CodeRow(PolicyRow):
    """A row of ``twilio_codes.csv``: what an error code, or a range of codes, means to smsflow."""

    code: CodeSpan
    meaning: Present
    retry: Retry
    resend: YesOrEmpty
    tries: OptionalCount
    action: CodeAction
    reason: Word
    source: Present

    @field_validator("resend")
    @classmethod
    def _only_what_is_retried(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  pydantic's signature
        if value and info.data.get("retry", Retry.LATER) is not Retry.LATER:
            raise ValueError(f"yes, but retry is {info.data['retry']}")
        return value


class RateRow(PolicyRow):
    """A row of ``rate_card.csv``: a price in a span of days."""

    country: Country
    number_type: Present
    kind: Kind
    direction: Direction
    base: Amount
    carrier_fee: Amount
    currency: Currency
    since: OptionalDay = Field(alias="from")
    until: OptionalDay
    source: Present


class SenderTypeRow(PolicyRow):
    """A row of ``sender_types.csv``: how fast a type of sender may go."""

    type: Present
    tier: str
    destination: Country
    mps: SegmentsPerSecond
    source: Present


class KeywordRow(PolicyRow):
    """A row of ``keywords.csv``: words that are a whole reply, and their meaning."""

    words: FoldedWords
    meaning: Meaning
    language: str
    since: OptionalDay
    source: Present


class ClassSection(PolicyRow):
    """A section of ``classes.toml``: how messages of one class are treated."""

    lane: Lane
    deadline: Duration
    on_unknown: Literal["expire", "park"]
    resend_after_acceptance: bool = Field(strict=True)


class RetriesSection(PolicyRow):
    """The section ``[retries]`` of ``timing.toml``."""

    first: Duration
    longest: Duration
    tries: int = Field(ge=1)


class TimingSection(PolicyRow):
    """The section ``[timing]`` of ``timing.toml``."""

    message_window: Duration
    intent_life: Duration
    look_ups: tuple[Duration, ...]
    settle_by: Duration
    call_timeout: Duration
    status_within: Duration


def codes(text: str, file: str = "twilio_codes.csv") -> Codes:
    """The table of codes: one row per code or range, and one ``*`` for all other codes.

    Raises:
        PolicyError: A row is wrong or stands there twice, or ``*`` is missing.
    """
    single: dict[int, Code] = {}
    ranges: list[tuple[int, int, Code]] = []
    for place, row in csv_rows(file, text, CodeRow):
        low, high = row.code
        code = Code(**row.model_dump(exclude={"source", "code"}), code=low if low == high else None)
        if low != high:
            ranges.append((low, high, code))
        elif low in single:
            raise PolicyError(f"{place}, code: {low} stands there twice")
        else:
            single[low] = code
    ranges.sort(key=lambda span: span[1] - span[0])
    if not ranges or ranges[-1][:2] != ALL_CODES:
        raise PolicyError(f"{file}: no row for any other code (*)")
    return Codes(single, tuple(ranges))


def rates(text: str, file: str = "rate_card.csv") -> RateCard:
    """Dated prices; no two rows for the same messages on the same day, and a row for any country.

    Raises:
        PolicyError: A row is wrong, two overlap, or a default row is missing.
    """
    rows = [Rate(**row.model_dump(exclude={"source"})) for _, row in csv_rows(file, text, RateRow)]
    try:
        card = RateCard.of(rows)
    except ValueError as error:
        raise PolicyError(f"{file}: {error}") from None
    for kind in ("sms", "mms"):
        if ("*", "*", kind, "outbound") not in card.rates:
            raise PolicyError(f"{file}: no outbound {kind} row for any country and number type (*,*)")
    return card


def sender_types(text: str, file: str = "sender_types.csv") -> tuple[SenderType, ...]:
    """Limits by type, tier and destination.

    Raises:
        PolicyError: A row is wrong.
    """
    return tuple(SenderType(**row.model_dump(exclude={"source"})) for _, row in csv_rows(file, text, SenderTypeRow))


def keywords(text: str, file: str = "keywords.csv") -> dict[str, Meaning]:
    """Words that are a whole reply → their meaning.

    Raises:
        PolicyError: A row is wrong, or words stand there twice.
    """
    found: dict[str, Meaning] = {}
    for place, row in csv_rows(file, text, KeywordRow):
        if row.words in found:
            raise PolicyError(f"{place}, words: {row.words!r} stands there twice")
        found[row.words] = row.meaning
    return found


def classes(text: str, file: str = "classes.toml") -> dict[MessageClass, ClassPolicy]:
    """The treatment of each message class.

    Raises:
        PolicyError: A section is missing, unknown or wrong.
    """
    rows = check_rows(toml_sections(file, text, MessageClass), ClassSection)
    return {name: ClassPolicy(**row.model_dump()) for name, (_, row) in zip(MessageClass, rows, strict=True)}


def timing(text: str, file: str = "timing.toml") -> tuple[RetrySchedule, Timing]:
    """The retry schedule and the waits that no message class changes.

    Raises:
        PolicyError: A section is missing, unknown or wrong.
    """
    retries, waits = toml_sections(file, text, ("retries", "timing"))
    [(_, schedule)] = check_rows([retries], RetriesSection)
    [(_, times)] = check_rows([waits], TimingSection)
    return RetrySchedule(**schedule.model_dump()), Timing(**times.model_dump())
