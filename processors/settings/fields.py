"""The types of settings, and the base of a group of settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def _split_commas(value: object) -> object:
    """The items of ``a, b``, as an environment variable gives a list; any other value as it is."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_split_commas), NoDecode]
SecondsList = Annotated[tuple[Seconds, ...], BeforeValidator(_split_commas), NoDecode]


class SettingsGroup(BaseModel):
    """A group of settings: frozen, without unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
