"""Reads tables of data so that every mistake in one is reported with its file, row and field."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from typing import TypeVar

T = TypeVar("T")


class PolicyError(Exception):
    """Policy data can't be used as it is; the message names file, row, field and what would be right."""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One row of a table, or one section of a TOML file; ``place`` says which."""

    place: str
    fields: Mapping[str, object]

    def read(self, field: str, convert: Callable[[str], T]) -> T:
        """One field, converted. Raises `PolicyError` where it is missing or the conversion fails."""
        if field not in self.fields:
            raise self.problem(field, "missing")
        try:
            return convert(str(self.fields[field]))
        except (ValueError, KeyError, InvalidOperation) as error:
            raise self.problem(field, f"{self.fields[field]!r}: {error}") from None

    def read_each(self, field: str, convert: Callable[[str], T]) -> tuple[T, ...]:
        """A field that holds a list, each element converted."""
        values = self.fields.get(field)
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise self.problem(field, f"{values!r} is not a list")
        return tuple(PolicyRow(self.place, {field: value}).read(field, convert) for value in values)

    def problem(self, field: str, what: str) -> PolicyError:
        """The error to raise about one field."""
        return PolicyError(f"{self.place}, {field}: {what}")


def shipped_policy(file: str) -> str:
    """The text of a data file of this package."""
    return files("processors.policies").joinpath(file).read_text(encoding="utf-8")


def csv_rows(file: str, text: str, columns: Sequence[str]) -> list[PolicyRow]:
    """Rows of a CSV text whose header must be exactly ``columns``; rows are numbered as an editor shows them."""
    reader = csv.DictReader(text.splitlines(), strict=True)
    if reader.fieldnames != list(columns):
        raise PolicyError(f"{file} row 1: columns are {reader.fieldnames}, expected {list(columns)}")
    rows = []
    for fields in reader:
        place = f"{file} row {reader.line_num}"
        if None in fields or None in fields.values():
            raise PolicyError(f"{place}: not {len(columns)} fields")
        rows.append(PolicyRow(place, fields))
    return rows


def toml_sections(file: str, text: str) -> dict[str, PolicyRow]:
    """Top-level tables of a TOML text."""
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{file}: {error}") from None
    loose = [name for name, value in sections.items() if not isinstance(value, dict)]
    if loose:
        raise PolicyError(f"{file}: {loose[0]} stands outside a section")
    return {name: PolicyRow(f"{file} [{name}]", fields) for name, fields in sections.items()}


def one_of(*allowed: str) -> Callable[[str], str]:
    """A converter that lets only these words pass."""

    def convert(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"not one of {', '.join(allowed)}")
        return text

    return convert


def flag(text: str) -> bool:
    """``yes`` or empty in CSV, true or false in TOML."""
    if text not in ("yes", "", "True", "False"):
        raise ValueError("yes or empty (true or false in TOML)")
    return text in ("yes", "True")


def optional(convert: Callable[[str], T]) -> Callable[[str], T | None]:
    """The same converter, with None for an empty field."""
    return lambda text: convert(text) if text else None


def amount(text: str) -> Decimal:
    """An exact, finite decimal that is not negative."""
    value = Decimal(text)
    if not value.is_finite() or value < 0:
        raise ValueError("not an amount of zero or more")
    return value


def positive(text: str) -> float:
    """A finite number above zero."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError("not a number above zero")
    return value


def word(text: str) -> str:
    """A stable snake_case word."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError("not a snake_case word")
    return text


def present(text: str) -> str:
    """Any text but none."""
    if not text.strip():
        raise ValueError("must not be empty")
    return text
