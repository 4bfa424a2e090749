"""Reads settings from the environment and from a TOML file, and reports all their problems at once.

pydantic-settings reads and merges both. What it lacks stands here: a misspelt name is an error that says which name was
meant, every problem is named in one error, and settings can be written as variables again.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, TomlConfigSettingsSource

PREFIX = "SMSFLOW_"
CONFIG_VARIABLE = "SMSFLOW_CONFIG"
SUPERVISED_VARIABLE = "SMSFLOW_SUPERVISED"
_NOT_SETTINGS = (CONFIG_VARIABLE, SUPERVISED_VARIABLE)

FieldPath = tuple[str, ...]
S = TypeVar("S", bound=BaseSettings)


class SettingsError(Exception):
    """The settings cannot be used: one line for each problem, with its fix."""


def read_settings(model: type[S], file: Path | None, environ: Mapping[str, str]) -> S:
    """The settings of a TOML file and of the ``SMSFLOW_*`` variables, which win. An empty variable counts as unset.

    Raises:
        SettingsError: With every problem, not only the first. No value of a setting is shown: it may be a secret.
    """
    known = variables(model)
    problems = [
        f"{name}: unknown, {_meant(name, (*known, *_NOT_SETTINGS))}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known and name not in _NOT_SETTINGS
    ]
    environment = EnvSettingsSource(model)
    environment.env_vars = {name.lower(): environ[name] for name in known if environ.get(name)}
    sources = [environment, *_file_source(model, file, problems)]
    try:
        settings = model(_build_sources=(tuple(sources), {}))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise SettingsError("\n".join([*problems, *(_problem(item, model, file) for item in found)])) from None
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def variables(model: type[BaseModel], path: FieldPath = ()) -> dict[str, FieldPath]:
    """Every environment variable there is → the path of the field it sets."""
    found: dict[str, FieldPath] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= variables(kind, (*path, name))
        else:
            found[variable((*path, name))] = (*path, name)
    return found


def variable(path: FieldPath) -> str:
    """The environment variable of a setting: ``SMSFLOW_TWILIO_ACCOUNT_SID``."""
    return PREFIX + "_".join(path).upper()


def to_variables(model: BaseModel, path: FieldPath = ()) -> dict[str, str]:
    """The variables that set the explicitly set fields of this model again. Contains secrets."""
    found: dict[str, str] = {}
    for name in sorted(model.model_fields_set):
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found |= to_variables(value, (*path, name))
        elif value is not None:
            found[variable((*path, name))] = _text(value)
    return found


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict) or (isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value)):
        return json.dumps(value, default=lambda model: model.model_dump(exclude_none=True))
    return ",".join(map(_text, value)) if isinstance(value, tuple) else str(value)


def _file_source(
    model: type[BaseSettings], file: Path | None, problems: list[str]
) -> Iterator[TomlConfigSettingsSource]:
    if file is None:
        return
    try:
        file.open("rb").close()  # the source would pass over a file that cannot be read
        yield TomlConfigSettingsSource(model, file)
    except OSError as error:
        problems.append(
            f"{file}: cannot be read ({error.strerror}); give an existing file as --config or {CONFIG_VARIABLE}"
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{file}: not TOML ({error})")


def _problem(found: ErrorDetails, model: type[BaseModel], file: Path | None) -> str:
    """One of pydantic's errors, under the names a user types."""
    place = found["loc"]
    if found["type"] == "extra_forbidden":
        path = tuple(str(step) for step in place)
        return f"{file or 'settings'}: {_dotted(place)}: unknown, {_meant(path[-1], _field_names(model, path[:-1]))}"
    names = tuple(step for step in place if isinstance(step, str))
    owner = variable(names if names == place else names[:1])  # an item of a list has the list's variable
    text = found["msg"].removeprefix("Value error, ")
    return f"{_dotted(place)} ({owner}): {text[:1].lower()}{text[1:]}"


def _dotted(place: tuple[int | str, ...]) -> str:
    """A path as a user writes it: ``senders[0].id``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def _field_names(model: type[BaseModel], path: FieldPath) -> tuple[str, ...]:
    """The names that may stand at this place of the file."""
    for name in path:
        field = model.model_fields.get(name)
        kind = field.annotation if field else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            model = kind
        elif not name.isdigit():
            inner = [item for item in getattr(kind, "__args__", ()) if isinstance(item, type)]
            model = next((item for item in inner if issubclass(item, BaseModel)), model)
    return tuple(model.model_fields)


def _meant(given: str, known: Iterable[str]) -> str:
    candidates = sorted(known)
    close = difflib.get_close_matches(given, candidates, n=1, cutoff=0.6)
    return f"meant {close[0]}?" if close else f"expected one of {', '.join(candidates)}"
