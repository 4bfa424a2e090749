"""Avro without a detour: a straight-line reader and writer for each record, generated from its schema.

fastavro goes through dicts and looks at the whole schema again for every record; what is generated here goes from bytes
to the dataclass and back at a third of the cost. It knows only the schemas this release writes, and it explains
nothing: what it stumbles over raises whatever it raises, and then the codec lets fastavro say what is wrong.

Source of the format: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from __future__ import annotations

import struct
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import count
from typing import Any, Union, get_args, get_origin, get_type_hints

Read = Callable[[bytes, int], tuple[Any, int]]
"""Bytes and a position → the record and the position behind it: beyond the end if bytes are missing."""
Write = Callable[[Any, bytearray], None]
"""Appends a record to a buffer."""
Lines = Iterator[str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DOUBLE = struct.Struct("<d")
_LONGS = range(-(2**63), 2**63)
_REMEMBERED = 1 << 16


def reader(kind: type[Any], schema: Any) -> Read:
    """What reads the records of ``kind`` that were written with exactly this schema."""
    code = _Code()
    code.extend(code.read_record(kind, schema))
    read: Read = code.compiled("read", "data, at", "return record, at")
    return read


def writer(kind: type[Any], schema: Any) -> Write:
    """What writes the records of ``kind`` with this schema."""
    code = _Code()
    code.extend(code.write_record(kind, schema))
    write: Write = code.compiled("write", "record, out", "return")
    return write


class _Code(list[str]):
    """Source lines of one function, and the objects they name. A generator's lines leave their value in ``name``."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count()
        self._objects: dict[str, Any] = {
            "varint": _varint,
            "zigzag": _zigzag,
            "short": _SHORT,
            "moment": _moment,
            "stamp": _stamp,
            "amount": _amount,
            "unscaled": _unscaled,
            "pack_double": _DOUBLE.pack,
            "unpack_double": _DOUBLE.unpack_from,
        }

    def compiled(self, name: str, arguments: str, last: str) -> Any:
        body = "\n".join(f"    {line}" for line in [*self, last])
        exec(f"def {name}({arguments}):\n{body}\n", self._objects)  # noqa: S102  of our own schemas, once at start
        return self._objects[name]

    def _name(self, value: Any) -> str:
        name = f"o{next(self._numbers)}"
        self._objects[name] = value
        return name

    def _variable(self) -> str:
        return f"v{next(self._numbers)}"

    def read_record(self, kind: type[Any], schema: Any) -> Lines:
        hints, names = get_type_hints(kind), []
        for field in schema["fields"]:
            names.append(self._variable())
            yield from self._read(names[-1], field["type"], hints[field["name"]])
        arguments = ", ".join(f"{field['name']}={name}" for field, name in zip(schema["fields"], names, strict=True))
        yield f"record = {self._name(kind)}({arguments})"

    def write_record(self, kind: type[Any], schema: Any) -> Lines:
        hints = get_type_hints(kind)
        for field in schema["fields"]:
            name = self._variable()
            yield f"{name} = record.{field['name']}"
            yield from self._write(name, field["type"], hints[field["name"]])

    def _read(self, name: str, schema: Any, hint: Any) -> Lines:
        match schema:
            case list():
                yield from self._read_union(name, schema, hint)
            case {"type": "record"}:
                yield f"{name}, at = {self._name(reader(inner(hint), schema))}(data, at)"
            case {"type": "array", "items": items}:
                yield f"{name} = []"
                item = self._variable()
                yield from self._read_blocks([*self._read(item, items, inner(hint)), f"{name}.append({item})"])
            case {"type": "map", "values": values}:
                yield f"{name} = {{}}"
                key, value = self._variable(), self._variable()
                pair = [*self._read(key, "string", str), *self._read(value, values, get_args(hint)[1])]
                yield from self._read_blocks([*pair, f"{name}[{key}] = {value}"])
            case {"logicalType": "timestamp-millis"}:
                yield from ("n, at = varint(data, at)", f"{name} = moment(n)")
            case {"logicalType": "decimal", "scale": scale}:
                yield from (*_READ_LENGTH, f"{name} = amount(data[at : at + n], {scale})", "at += n")
            case _:
                yield from _READ[schema](name)
                if _is_word(hint):
                    yield f"{name} = {self._name(inner(hint)._value2member_map_)}[{name}]"

    def _read_union(self, name: str, schema: list[Any], hint: Any) -> Lines:
        yield from ("n = data[at]", "at += 1")
        for index, branch in enumerate(schema):
            yield f"{'el' if index else ''}if n == {index * 2}:"
            yield from _indented([f"{name} = None"] if branch == "null" else self._read(name, branch, hint))
        yield from ("else:", "    raise ValueError(n)")

    def _read_blocks(self, item: list[str]) -> Lines:
        left = self._variable()
        yield from (f"{left}, at = varint(data, at)", f"while {left}:")
        yield from _indented([f"if {left} < 0:", f"    {left}, (n, at) = -{left}, varint(data, at)"])
        yield from _indented([f"for _ in range({left}):", *_indented(item), f"{left}, at = varint(data, at)"])

    def _write(self, name: str, schema: Any, hint: Any) -> Lines:
        match schema:
            case list():
                null, other = schema.index("null"), next(i for i, branch in enumerate(schema) if branch != "null")
                yield from (
                    f"if {name} is None:",
                    f"    out.append({null * 2})",
                    "else:",
                    f"    out.append({other * 2})",
                )
                yield from _indented(self._write(name, schema[other], hint))
            case {"type": "record"}:
                yield f"{self._name(writer(inner(hint), schema))}({name}, out)"
            case {"type": "array", "items": items}:
                item = self._variable()
                yield from _blocks(name, f"for {item} in {name}:", list(self._write(item, items, inner(hint))))
            case {"type": "map", "values": values}:
                key, value = self._variable(), self._variable()
                pair = [*self._write(key, "string", str), *self._write(value, values, get_args(hint)[1])]
                yield from _blocks(name, f"for {key}, {value} in {name}.items():", pair)
            case {"logicalType": "timestamp-millis"}:
                yield f"out += stamp({name})"
            case {"logicalType": "decimal", "scale": scale, "precision": precision}:
                yield from (f"b = unscaled({name}, {scale}, {precision})", *_WRITE_BYTES)
            case _:
                yield from _WRITE[schema](name)


_READ_LENGTH = (
    "n = data[at]",
    "if n & 129:",  # of more than 63 bytes, or negative
    "    n, at = varint(data, at)",
    "    if n < 0: raise ValueError(n)",
    "else:",
    "    n >>= 1",
    "    at += 1",
)
_READ: dict[str, Callable[[str], tuple[str, ...]]] = {
    "string": lambda name: (*_READ_LENGTH, f"{name} = str(data[at : at + n], 'utf-8')", "at += n"),
    "bytes": lambda name: (*_READ_LENGTH, f"{name} = data[at : at + n]", "at += n"),
    "long": lambda name: (f"{name}, at = varint(data, at)",),
    "int": lambda name: (f"{name}, at = varint(data, at)",),
    "boolean": lambda name: (f"{name} = data[at] != 0", "at += 1"),
    "double": lambda name: (f"{name} = unpack_double(data, at)[0]", "at += 8"),
}
_WRITE_BYTES = ("n = len(b)", "out += short[n] if n < 1024 else zigzag(n)", "out += b")
_WRITE: dict[str, Callable[[str], tuple[str, ...]]] = {
    "string": lambda name: (f"b = {name}.encode()", *_WRITE_BYTES),
    "bytes": lambda name: (f"b = {name}", *_WRITE_BYTES),
    "long": lambda name: (f"out += short[{name}] if 0 <= {name} < 1024 else zigzag({name})",),
    "int": lambda name: (f"out += short[{name}] if 0 <= {name} < 1024 else zigzag({name})",),
    "boolean": lambda name: (f"out.append(1 if {name} else 0)",),
    "double": lambda name: (f"out += pack_double({name})",),
}


def _blocks(name: str, loop: str, item: list[str]) -> Lines:
    yield f"if {name}:"
    yield from _indented([f"out += zigzag(len({name}))", loop, *_indented(item)])
    yield "out.append(0)"


def _indented(lines: Any) -> list[str]:
    return [f"    {line}" for line in lines]


def _is_word(hint: Any) -> bool:
    plain = inner(hint)
    return isinstance(plain, type) and issubclass(plain, StrEnum)


def inner(hint: Any) -> Any:
    """``X`` of ``X``, ``X | None`` and ``list[X]``."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(arg for arg in get_args(hint) if arg is not type(None))
    return get_args(hint)[0] if get_origin(hint) is list else hint


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    value, shift = byte & 127, 7
    while byte & 128:
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at + 1


def _zigzag(number: int) -> bytes:
    if number not in _LONGS:
        raise OverflowError(number)
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    out.append(left)
    return bytes(out)


_SHORT = tuple(_zigzag(number) for number in range(1024))


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(0, 0, ms * 1000)


@lru_cache(maxsize=_REMEMBERED)  # a state's times are written again with each of its changes
def _stamp(at: datetime) -> bytes:
    since = at - _EPOCH
    return _zigzag((since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)


@lru_cache(maxsize=_REMEMBERED)  # amounts are few: segments times a rate
def _amount(data: bytes, scale: int) -> Decimal:
    return Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-scale)


@lru_cache(maxsize=_REMEMBERED)
def _unscaled(amount: Decimal, scale: int, precision: int) -> bytes:
    _, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int) or exponent < -scale or len(digits) > precision:
        raise ValueError(amount)
    number = int(amount.scaleb(scale))
    return number.to_bytes((number.bit_length() + 8) >> 3, "big", signed=True)
