"""Avro in the Confluent wire format: a zero byte, the schema's id in four big-endian bytes, the body.

Source of the format: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/#wire-format

Where a Schema Registry is configured its ids are used; where none is, the ids of the committed ``ids.json``. Nothing
else changes between the two.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from operator import attrgetter
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import fastavro
from msgspec import Struct

from schemas import avro_compiler, records, states
from schemas.errors import DecodeError, EncodeError
from schemas.reasons import DeadLetterReason
from schemas.topics import Topic

R = TypeVar("R")
Schema = Any
MAGIC = b"\x00"
_HEADER = struct.Struct(">bI")
_STATES = frozenset(kind.__name__ for kind in get_args(states.State))


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """One Kafka record as bytes, ready to be published."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class AvroFile:
    """One file of ``avro/``: ``name`` is the record's, ``version`` counts from 1, ``id`` is its committed wire id."""

    name: str
    version: int
    id: int
    text: str


@cache
def avro_files() -> tuple[AvroFile, ...]:
    """Every schema that ships, oldest version first."""
    ids: dict[str, int] = json.loads(files("schemas").joinpath("ids.json").read_text("utf-8"))
    found = []
    for stem, schema_id in ids.items():
        text = files("schemas").joinpath("avro", f"{stem}.avsc").read_text("utf-8")
        found.append(AvroFile(json.loads(text)["name"], int(stem.rpartition(".v")[2]), schema_id, text))
    return tuple(sorted(found, key=lambda file: (file.name, file.version)))


@cache
def latest_schemas() -> Mapping[str, Schema]:
    """Record name → the parsed schema this release writes and reads."""
    return {file.name: _parsed(file) for file in avro_files()}


@cache
def _parsed(file: AvroFile) -> Schema:
    return fastavro.parse_schema(json.loads(file.text))


@cache
def _reader(kind: type[Any]) -> avro_compiler.Read:
    return avro_compiler.reader(kind, latest_schemas()[kind.__name__])


@cache
def _writer(kind: type[Any]) -> avro_compiler.Write:
    return avro_compiler.writer(kind, latest_schemas()[kind.__name__])


class Codec:
    """Turns records and states into bytes and back.

    ``ids`` says under which id each record is written where that is not its committed one; ``find_writer`` (a Schema
    Registry) which schema an id from the wire names, or None. Its word comes before ``ids.json``, whose numbers it may
    have given to other schemas; only states, which it is never told of, are known by their committed ids alone.
    """

    def __init__(
        self,
        ids: Mapping[str, int] | None = None,
        find_writer: Callable[[int], Schema | None] = lambda _: None,
    ) -> None:
        own = {**{file.name: file.id for file in avro_files()}, **(ids or {})}
        self._headers = {name: _HEADER.pack(0, schema_id) for name, schema_id in own.items()}
        self._registered = {schema_id: latest_schemas()[name] for name, schema_id in (ids or {}).items()}
        self._committed = {file.id: _parsed(file) for file in avro_files()}
        self._find_writer = find_writer
        self._writers: dict[tuple[int, str], Schema] = {}

    def encode(self, record: records.Record | states.State) -> bytes:
        """The record's bytes.

        Raises:
            EncodeError: A value does not fit its schema; the text names the field.
        """
        name = type(record).__name__
        out, write = bytearray(self._headers[name]), _writer(cast(Any, type(record)))
        try:
            write(record, out)
        except Exception:  # noqa: BLE001  fastavro says what is wrong, or writes it
            return self._explained(record, name)
        return bytes(out)

    def _explained(self, record: records.Record | states.State, name: str) -> bytes:
        out = io.BytesIO()
        out.write(self._headers[name])
        try:
            fastavro.schemaless_writer(out, latest_schemas()[name], _as_dict(record))
        except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
            raise EncodeError(f"{name}: {error}") from error
        return out.getvalue()

    def wire(self, topic: Topic, key: str, record: records.Record) -> EncodedRecord:
        """The record as it goes on ``topic`` under ``key``."""
        return EncodedRecord(topic.name, key.encode(), self.encode(record))

    def decode(self, expected: type[R], data: bytes | None) -> R:
        """The record that these bytes are.

        Raises:
            DecodeError: The bytes are not a record of this type. Nothing else is raised, whatever the bytes.
        """
        if not data:
            raise DecodeError(DeadLetterReason.EMPTY, "the record has no value")
        if len(data) < _HEADER.size or data[:1] != MAGIC:
            raise DecodeError(DeadLetterReason.NOT_AVRO, f"starts with {data[:5].hex()}, not 00 and a 4-byte schema id")
        writer = self._writer(_HEADER.unpack_from(data)[1], expected)
        if writer is latest_schemas()[expected.__name__]:
            read = _reader(cast(Any, expected))
            try:
                record, end = read(data, _HEADER.size)
            except Exception:  # noqa: BLE001, S110  fastavro says what is wrong, or reads it
                pass
            else:
                if end == len(data):
                    return cast(R, record)
        return self._resolved(expected, data, writer)

    def _resolved(self, expected: type[R], data: bytes, writer: Schema) -> R:
        body = io.BytesIO(data)
        body.seek(_HEADER.size)
        try:
            values = fastavro.schemaless_reader(body, writer, latest_schemas()[expected.__name__])
            record = _from_dict(expected, cast(dict[str, Any], values))  # our schemas are records
        except Exception as error:
            # fastavro raises whatever the broken bytes provoke: struct.error, EOFError, UnicodeDecodeError, ...
            raise DecodeError(DeadLetterReason.UNDECODABLE, f"{expected.__name__}: {error!r}") from error
        if body.tell() != len(data):
            raise DecodeError(
                DeadLetterReason.TRAILING_BYTES, f"{len(data) - body.tell()} bytes after {expected.__name__}"
            )
        return record

    def _writer(self, schema_id: int, expected: type[Any]) -> Schema:
        named = (schema_id, expected.__name__)
        writer = self._writers.get(named)
        if writer is None:
            writer = self._writers[named] = self._found(*named)
        return writer

    def _found(self, schema_id: int, name: str) -> Schema:
        """The schema of that id, which must be one of the record's. Raises DecodeError."""
        others = []
        for schema in self._meanings(schema_id, name):
            if schema["name"].rpartition(".")[2] == name:
                return schema
            others.append(schema["name"])
        if others:
            raise DecodeError(DeadLetterReason.WRONG_RECORD, f"id {schema_id} is {others[0]}, not {name}")
        raise DecodeError(DeadLetterReason.UNKNOWN_SCHEMA_ID, f"id {schema_id} is neither in ids.json nor registered")

    def _meanings(self, schema_id: int, name: str) -> Iterator[Schema]:
        """What the id may name, best first."""
        if schema_id in self._registered:
            yield self._registered[schema_id]
        elif name not in _STATES and (found := self._find_writer(schema_id)) is not None:
            yield fastavro.parse_schema(found)
        if schema_id in self._committed:
            yield self._committed[schema_id]


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = kind.__struct_fields__
    return names


@cache
def _getter(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*_field_names(kind))


def _as_dict(record: Any) -> dict[str, Any]:
    kind: Any = type(record)
    values = dict(zip(_field_names(kind), _getter(kind)(record), strict=True))
    for name in _nested(kind):
        values[name] = _plain(values[name])
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_dict(item) for item in value]
    return None if value is None else _as_dict(value)


def _from_dict(kind: type[R], values: dict[str, Any]) -> R:
    for name, convert in _converters(cast(Any, kind)).items():
        if values[name] is not None:
            values[name] = convert(values[name])
    return kind(**values)


@cache
def _nested(kind: Any) -> tuple[str, ...]:
    hints = get_type_hints(kind)
    return tuple(name for name in _field_names(kind) if _is_struct(avro_compiler.inner(hints[name])))


@cache
def _converters(kind: Any) -> Mapping[str, Callable[[Any], Any]]:
    """Field → what turns fastavro's plain value into the annotated type, for the fields that need it."""
    hints = get_type_hints(kind)
    found: dict[str, Callable[[Any], Any]] = {}
    for name in _field_names(kind):
        inner = avro_compiler.inner(hints[name])
        if _is_struct(inner):
            found[name] = _builder(inner, many=_is_list(hints[name]))
        elif isinstance(inner, type) and issubclass(inner, StrEnum):
            found[name] = inner
    return found


def _builder(inner: Any, *, many: bool) -> Callable[[Any], Any]:
    if many:
        return lambda items: [_from_dict(inner, item) for item in items]
    return lambda values: _from_dict(inner, values)


def _is_list(hint: Any) -> bool:
    return get_origin(hint) is list


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Struct)
