"""Reads data files into checked rows. Every mistake in a file is reported with file, row and field, all at once."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

Place = str
"""Where a row is, for an error: ``twilio_codes.csv row 7``."""


class PolicyError(Exception):
    """Policy data cannot be used as it is; the text names file, row, field and what would be right."""


class PolicyRow(BaseModel):
    """One row of a table or one section of a TOML file: frozen, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Row = TypeVar("Row", bound=PolicyRow)


def shipped_policy(file: str) -> str:
    """The text of a data file of this package."""
    return files("processors.policies").joinpath(file).read_text(encoding="utf-8")


def csv_rows(file: str, text: str, model: type[Row]) -> list[tuple[Place, Row]]:
    """The rows of a CSV text whose columns are the fields of ``model``; rows are numbered as an editor shows them.

    Raises:
        PolicyError: Columns are wrong, a row has too few or too many fields, or a field is wrong.
    """
    columns = [field.alias or name for name, field in model.model_fields.items()]
    reader = csv.DictReader(text.splitlines(), strict=True)
    if sorted(reader.fieldnames or ()) != sorted(columns):
        raise PolicyError(f"{file} row 1: columns are {reader.fieldnames}, expected {columns}")
    placed: list[tuple[Place, Mapping[str, Any]]] = []
    for fields in reader:
        place = f"{file} row {reader.line_num}"
        if None in fields or None in fields.values():
            raise PolicyError(f"{place}: not {len(columns)} fields")
        placed.append((place, fields))
    return check_rows(placed, model)


def toml_sections(file: str, text: str, names: Iterable[str]) -> list[tuple[Place, Mapping[str, Any]]]:
    """The top-level tables of a TOML text, in the order of ``names``: exactly these must be there.

    Raises:
        PolicyError: The text is not TOML, or has other sections.
    """
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{file}: {error}") from None
    loose = [name for name, value in sections.items() if not isinstance(value, dict)]
    if loose:
        raise PolicyError(f"{file}: {loose[0]} stands outside a section")
    wanted = list(names)
    if set(sections) != set(wanted):
        raise PolicyError(f"{file}: sections are {sorted(sections)}, expected {sorted(wanted)}")
    return [(f"{file} [{name}]", sections[name]) for name in wanted]


def check_rows(placed: Sequence[tuple[Place, Mapping[str, Any]]], model: type[Row]) -> list[tuple[Place, Row]]:
    """Each row as ``model``, with its place.

    Raises:
        PolicyError: Some fields are wrong; all of them are named.
    """
    try:
        rows = TypeAdapter(list[model]).validate_python([fields for _, fields in placed])  # type: ignore[valid-type]
    except ValidationError as error:
        raise PolicyError("\n".join(_problem(placed, model, found) for found in error.errors())) from None
    return list(zip((place for place, _ in placed), rows, strict=True))


def _problem(placed: Sequence[tuple[Place, object]], model: type[PolicyRow], found: ErrorDetails) -> str:
    row, field = found["loc"][:2]
    head = f"{placed[int(row)][0]}, {field}"
    if found["type"] == "missing":
        return f"{head}: missing"
    if found["type"] == "extra_forbidden":
        return f"{head}: unknown, expected some of {', '.join(sorted(model.model_fields))}"
    text = found["msg"].removeprefix("Value error, ")
    return f"{head}: {found['input']!r}: {text[:1].lower()}{text[1:]}"
