"""Reads settings from the environment and from a file, and collects what is wrong with them instead of stopping."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

PREFIX = "SMSFLOW_"
CONFIG_VARIABLE = "SMSFLOW_CONFIG"
SUPERVISED_VARIABLE = "SMSFLOW_SUPERVISED"
_NOT_SETTINGS = (CONFIG_VARIABLE, SUPERVISED_VARIABLE)
_JSON_FIELDS = ("senders", "pools")
"""Fields too deep for one plain value."""

FieldPath = tuple[str, ...]


class SettingsError(Exception):
    """The settings cannot be used: one line per problem, each with its fix."""


class Problems:
    """Every problem met so far."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._broken: set[FieldPath] = set()

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, line: str, field: FieldPath = ()) -> None:
        """Note a problem; one of a ``field`` that is not read keeps that field's absence from being another."""
        self._lines.append(line)
        if field:
            self._broken.add(field)

    def error(self) -> SettingsError:
        """All of them, to be raised."""
        return SettingsError("\n".join(self._lines))

    def add_invalid(self, error: ValidationError, model: type[BaseModel], file: Path | None) -> None:
        """Pydantic's problems, each under the names a user would type. Values are not shown: one may be a secret."""
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            self._add_one(found["loc"], found["type"], found["msg"], model, file)

    def _add_one(
        self, place: tuple[int | str, ...], kind: str, says: str, model: type[BaseModel], file: Path | None
    ) -> None:
        if kind == "extra_forbidden":
            path = tuple(str(part) for part in place)
            known = _keys(model, path[:-1])
            self.add(f"{file or 'settings'}: {setting_path(place)}: unknown, {_meant(path[-1], known)}")
            return
        top = tuple(part for part in place if isinstance(part, str))
        variable = PREFIX + ("_".join(top) if place == top else top[0]).upper()
        says = says.removeprefix("Value error, ")
        self.add(f"{setting_path(place)} ({variable}): {says[:1].lower()}{says[1:]}")


def setting_path(place: tuple[int | str, ...]) -> str:
    """``senders[0].id``"""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def variables(model: type[BaseModel], path: FieldPath = ()) -> dict[str, FieldPath]:
    """Every environment variable there is → the field it sets."""
    found: dict[str, FieldPath] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= variables(kind, (*path, name))
        else:
            found[PREFIX + "_".join((*path, name)).upper()] = (*path, name)
    return found


def from_environment(environ: Mapping[str, str], known: Mapping[str, FieldPath], problems: Problems) -> dict[str, Any]:
    """What SMSFLOW_* says, as nested values. An empty variable is an unset one."""
    values: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS:
            continue
        if name not in known:
            problems.add(f"{name}: unknown, {_meant(name, (*known, *_NOT_SETTINGS))}")
        elif text:
            _put(values, known[name], _read(name, known[name], text, problems))
    return values


def from_file(path: Path, problems: Problems) -> dict[str, Any]:
    """What the TOML file says."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        problems.add(
            f"{path}: cannot be read ({error.strerror}); give an existing file as --config or {CONFIG_VARIABLE}"
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.add(f"{path}: not TOML ({error})")
    return {}


def to_environment(model: BaseModel, path: FieldPath = ()) -> dict[str, str]:
    """The variables that say what was given to this model, and nothing of its defaults."""
    found: dict[str, str] = {}
    for name in sorted(model.model_fields_set):
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found |= to_environment(value, (*path, name))
        elif value is not None:
            found[PREFIX + "_".join((*path, name)).upper()] = _text(name, value)
    return found


def _text(name: str, value: object) -> str:
    if name in _JSON_FIELDS:
        return json.dumps(value, default=lambda model: model.model_dump(exclude_none=True))
    if isinstance(value, tuple):
        return ",".join(_text(name, item) for item in value)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def merge_values(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay nested values over others, in place."""
    for name, value in over.items():
        below = values.get(name)
        if isinstance(value, dict) and isinstance(below, dict) and name not in _JSON_FIELDS:
            merge_values(below, value)
        else:
            values[name] = value


def _read(name: str, path: FieldPath, text: str, problems: Problems) -> object:
    if path[0] not in _JSON_FIELDS:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        problems.add(f"{name}: not JSON ({error}); like {_EXAMPLES[path[0]]}")
        return () if path[0] == "senders" else None


_EXAMPLES = {
    "senders": '[{"id": "+12125550100", "number_type": "10dlc"}]',
    "pools": '{"default": ["+12125550100"]}',
}


def _put(values: dict[str, Any], path: FieldPath, value: object) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value


def _keys(model: type[BaseModel], path: FieldPath) -> tuple[str, ...]:
    """The fields that may stand at this place."""
    for name in path:
        field = model.model_fields.get(name)
        kind = field.annotation if field else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            model = kind
        elif not name.isdigit():
            inner = [arg for arg in getattr(kind, "__args__", ()) if isinstance(arg, type)]
            model = next((arg for arg in inner if issubclass(arg, BaseModel)), model)
    return tuple(model.model_fields)


def _meant(given: str, known: Iterable[str]) -> str:
    candidates = sorted(known)
    close = difflib.get_close_matches(given, candidates, n=1, cutoff=0.6)
    return f"meant {close[0]}?" if close else f"expected one of {', '.join(candidates)}"
