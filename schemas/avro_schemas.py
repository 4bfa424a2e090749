"""The Avro schemas that ship with this release, from the files of ``avro/`` and the wire ids of ``ids.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import fastavro

Schema = Any
"""A schema as fastavro parses it: dicts, lists and strings."""


@dataclass(frozen=True, slots=True)
class AvroFile:
    """One file of ``avro/``.

    Attributes:
        name: The record's name.
        version: Counts from 1.
        id: The committed wire id.
        text: The schema, JSON.
    """

    name: str
    version: int
    id: int
    text: str


@cache
def avro_files() -> tuple[AvroFile, ...]:
    """Every schema that ships, by name, oldest version first."""
    ids: dict[str, int] = json.loads(files("schemas").joinpath("ids.json").read_text("utf-8"))
    found = []
    for stem, schema_id in ids.items():
        text = files("schemas").joinpath("avro", f"{stem}.avsc").read_text("utf-8")
        found.append(AvroFile(json.loads(text)["name"], int(stem.rpartition(".v")[2]), schema_id, text))
    return tuple(sorted(found, key=lambda file: (file.name, file.version)))


@cache
def latest_schemas() -> Mapping[str, Schema]:
    """Record name to the schema that this release writes and reads."""
    return {file.name: parsed_schema(file) for file in avro_files()}


@cache
def parsed_schema(file: AvroFile) -> Schema:
    """The file's schema; the same object at each call."""
    return fastavro.parse_schema(json.loads(file.text))
