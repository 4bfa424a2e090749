"""Avro in the Confluent wire format: a zero byte, the schema's id in four big-endian bytes, the body.

Source of the format: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/#wire-format

Where a Schema Registry is configured its ids are used; where none is, the ids of the committed ``ids.json``. Nothing
else changes between the two.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast, get_args

import fastavro
from msgspec import convert, to_builtins

from schemas import records, states
from schemas.avro_compiler import compiled_reader, compiled_writer
from schemas.avro_schemas import Schema, avro_files, latest_schemas, parsed_schema
from schemas.errors import DecodeError, EncodeError
from schemas.reasons import DeadLetterReason
from schemas.topics import Topic

R = TypeVar("R")
_MAGIC = b"\x00"
_HEADER = struct.Struct(">bI")
_AVRO_TYPES = (datetime, Decimal, bytes)  # fastavro takes these as they are
_STATES = frozenset(kind.__name__ for kind in get_args(states.State))


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """One Kafka record as bytes, ready to be published.

    Attributes:
        topic: The topic's name.
        key: The key; it decides the partition. None: any partition.
        value: The value; None for a tombstone, which deletes its key from a compacted topic.
        headers: Names and values, in order.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Codec:
    """Turns records and states into bytes and back.

    A Schema Registry may have given the numbers of ``ids.json`` to other schemas, so its answer comes first. States are
    not registered: their ids are always the committed ones.

    Args:
        ids: Record name to the wire id under which the record is written; the committed id where none is given.
        find_writer: Finds the schema that a wire id names at the Schema Registry, or None.
    """

    def __init__(
        self,
        ids: Mapping[str, int] | None = None,
        find_writer: Callable[[int], Schema | None] = lambda _: None,
    ) -> None:
        own = {**{file.name: file.id for file in avro_files()}, **(ids or {})}
        self._headers = {name: _HEADER.pack(0, schema_id) for name, schema_id in own.items()}
        self._registered = {schema_id: latest_schemas()[name] for name, schema_id in (ids or {}).items()}
        self._committed = {file.id: parsed_schema(file) for file in avro_files()}
        self._find_writer = find_writer
        self._writers: dict[tuple[int, str], Schema] = {}

    def encode(self, record: records.Record | states.State) -> bytes:
        """The record's bytes.

        Raises:
            EncodeError: A value does not fit its schema; the text names the field.
        """
        name = type(record).__name__
        out, write = bytearray(self._headers[name]), compiled_writer(cast(Any, type(record)))
        try:
            write(record, out)
        except Exception:  # noqa: BLE001  fastavro says what is wrong, or writes it
            return self._encode_slowly(record, name)
        return bytes(out)

    def _encode_slowly(self, record: records.Record | states.State, name: str) -> bytes:
        """The same by fastavro, which names what is wrong."""
        out = io.BytesIO()
        out.write(self._headers[name])
        try:
            fastavro.schemaless_writer(out, latest_schemas()[name], to_builtins(record, builtin_types=_AVRO_TYPES))
        except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
            raise EncodeError(f"{name}: {error}") from error
        return out.getvalue()

    def wire(self, topic: Topic, key: str, record: records.Record) -> EncodedRecord:
        """The record as it is published on ``topic`` under ``key``.

        Raises:
            EncodeError: A value does not fit its schema.
        """
        return EncodedRecord(topic.name, key.encode(), self.encode(record))

    def decode(self, expected: type[R], data: bytes | None) -> R:
        """The record that these bytes are.

        Raises:
            DecodeError: The bytes are not a record of this type. Nothing else is raised, whatever the bytes.
        """
        if not data:
            raise DecodeError(DeadLetterReason.EMPTY, "the record has no value")
        if len(data) < _HEADER.size or data[:1] != _MAGIC:
            raise DecodeError(DeadLetterReason.NOT_AVRO, f"starts with {data[:5].hex()}, not 00 and a 4-byte schema id")
        writer = self._writer(_HEADER.unpack_from(data)[1], expected)
        if writer is latest_schemas()[expected.__name__]:
            read = compiled_reader(cast(Any, expected))
            try:
                record, end = read(data, _HEADER.size)
            except Exception:  # noqa: BLE001, S110  fastavro says what is wrong, or reads it
                pass
            else:
                if end == len(data):
                    return cast(R, record)
        return self._decode_slowly(expected, data, writer)

    def _decode_slowly(self, expected: type[R], data: bytes, writer: Schema) -> R:
        """The same by fastavro, which reads records of older and newer schemas, and names what is wrong."""
        body = io.BytesIO(data)
        body.seek(_HEADER.size)
        try:
            values = fastavro.schemaless_reader(body, writer, latest_schemas()[expected.__name__])
            record = convert(values, expected)
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
            writer = self._writers[named] = self._find_record_schema(*named)
        return writer

    def _find_record_schema(self, schema_id: int, name: str) -> Schema:
        """The schema with this id, which must be a schema of the record. Raises DecodeError."""
        others = []
        for schema in self._candidates(schema_id, name):
            if schema["name"].rpartition(".")[2] == name:
                return schema
            others.append(schema["name"])
        if others:
            raise DecodeError(DeadLetterReason.WRONG_RECORD, f"id {schema_id} is {others[0]}, not {name}")
        raise DecodeError(DeadLetterReason.UNKNOWN_SCHEMA_ID, f"id {schema_id} is neither in ids.json nor registered")

    def _candidates(self, schema_id: int, name: str) -> Iterator[Schema]:
        """The schemas that the id may name, the most likely one first."""
        if schema_id in self._registered:
            yield self._registered[schema_id]
        elif name not in _STATES and (found := self._find_writer(schema_id)) is not None:
            yield fastavro.parse_schema(found)
        if schema_id in self._committed:
            yield self._committed[schema_id]
