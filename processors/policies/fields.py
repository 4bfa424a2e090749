"""The types of fields in the data files: what each accepts, and the error text where it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from processors.core.inbound.meaning import fold
from schemas.durations import parse_duration

ALL_CODES = (-(10**12), 10**12)
"""The range of codes that ``*`` stands for."""


def _present(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError("not a snake_case word")
    return text


def _country(text: str) -> str:
    if text != "*" and not (len(text) == 2 and text.isascii() and text.isupper()):
        raise ValueError("neither an ISO 3166 country of two capitals nor *")
    return text


def _currency(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isupper()):
        raise ValueError("not an ISO 4217 currency of three capitals")
    return text


def _folded(text: str) -> str:
    if fold(text) != text:
        raise ValueError(f"never matches, replies are folded to {fold(text)!r}")
    return text


def _yes_or_empty(text: object) -> object:
    if text not in ("yes", ""):
        raise ValueError("yes or empty")
    return text == "yes"


def _span(text: str) -> tuple[int, int]:
    if text == "*":
        return ALL_CODES
    low, _, high = text.partition("-")
    span = int(low), int(high or low)
    if span[0] > span[1]:
        raise ValueError("a range goes from low to high")
    return span


def _duration(text: object) -> timedelta:
    return parse_duration(text if isinstance(text, str) else "")


def _empty_as_none(convert: Callable[[str], object]) -> Callable[[str], object]:
    return lambda text: convert(text) if text else None


Present = Annotated[str, AfterValidator(_present)]
"""Any text that is not blank."""
Word = Annotated[str, AfterValidator(_word)]
"""A stable word of our events."""
Country = Annotated[str, AfterValidator(_country)]
Currency = Annotated[str, AfterValidator(_currency)]
FoldedWords = Annotated[Present, AfterValidator(_folded)]
"""Words in the form that ``fold`` gives a reply."""
YesOrEmpty = Annotated[bool, BeforeValidator(_yes_or_empty)]
CodeSpan = Annotated[tuple[int, int], BeforeValidator(_span)]
"""A code (``30003``), a range (``30000-39999``) or ``*``: the first and the last code."""
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
SegmentsPerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False)]

# ``fromisoformat``, because pydantic takes digits alone for seconds since 1970.
OptionalDay = Annotated[date | None, BeforeValidator(_empty_as_none(date.fromisoformat))]
OptionalCount = Annotated[PositiveInt | None, BeforeValidator(_empty_as_none(int))]
