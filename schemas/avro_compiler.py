"""Generates a reader and a writer for each record type, as Python source made from its Avro schema.

fastavro builds dicts and walks the schema for every record. The generated functions go from bytes to the struct and
back at a fraction of that cost. They know only the schemas that this release writes, and explain nothing: on odd input
they raise whatever happens, and the codec then lets fastavro read the input or name the fault.

Tracebacks and debuggers show the generated lines. To print them: ``python -m schemas.avro_compiler Dispatch``.
"""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from schemas import avro_primitives, records, states
from schemas.avro_schemas import Schema, latest_schemas

Read = Callable[[bytes, int], tuple[Any, int]]
"""Bytes and a position to the record and the position behind it, which is beyond the end if bytes are missing."""
Write = Callable[[Any, bytearray], None]
"""Appends a record to a buffer."""
Lines = Iterator[str]

_RUNTIME = (
    *("read_varint", "read_instant", "read_decimal", "unpack_double"),
    *("zigzag", "SHORT", "instant", "unscaled_decimal", "pack_double"),
)
"""What generated code may use of ``avro_primitives``."""


@cache
def compiled_reader(kind: type[Any]) -> Read:
    """The function that reads records of a type written with the schema of this release."""
    return compile_reader(kind, latest_schemas()[kind.__name__])


@cache
def compiled_writer(kind: type[Any]) -> Write:
    """The function that writes records of a type with the schema of this release."""
    return compile_writer(kind, latest_schemas()[kind.__name__])


def compile_reader(kind: type[Any], schema: Schema) -> Read:
    """The function that reads records of ``kind`` written with exactly this schema."""
    function = _ReaderSource()
    function.extend(function.record(kind, schema))
    read: Read = function.compile(f"read_{kind.__name__}", "data, at", "return record, at")
    return read


def compile_writer(kind: type[Any], schema: Schema) -> Write:
    """The function that writes records of ``kind`` with this schema."""
    function = _WriterSource()
    function.extend(function.record(kind, schema))
    write: Write = function.compile(f"write_{kind.__name__}", "record, out", "return")
    return write


class _FunctionSource(list[str]):
    """The source lines of one function, and the objects they name."""

    def __init__(self) -> None:
        super().__init__()
        self._globals: dict[str, Any] = {name: getattr(avro_primitives, name) for name in _RUNTIME}
        self._variables = {"data", "at", "out", "record", "n", "b"}

    def compile(self, name: str, parameters: str, last: str) -> Any:
        """The function. Its source is registered with ``linecache``, where tracebacks and debuggers look for it."""
        body = "".join(f"    {line}\n" for line in (*self, last))
        source, filename = f"def {name}({parameters}):\n{body}", f"<generated {name}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        exec(compile(source, filename, "exec"), self._globals)  # noqa: S102  from schemas that ship with the release
        return self._globals[name]

    def bind(self, name: str, value: Any) -> str:
        """The name under which the source can use an object."""
        while self._globals.get(name, value) is not value:
            name += "_"
        self._globals[name] = value
        return name

    def variable(self, name: str) -> str:
        """An unused variable, named like this if possible."""
        while name in self._variables or name in self._globals:
            name += "_"
        self._variables.add(name)
        return name


class _ReaderSource(_FunctionSource):
    """Lines that read values: each group leaves its value in the variable that it is given."""

    def record(self, kind: type[Any], schema: Schema) -> Lines:
        hints, variables = get_type_hints(kind), {}
        for field in schema["fields"]:
            name = variables[field["name"]] = self.variable(field["name"])
            yield from self._value(name, field["type"], hints[field["name"]])
        arguments = ", ".join(f"{field}={name}" for field, name in variables.items())
        yield f"record = {self.bind(kind.__name__, kind)}({arguments})"

    def _value(self, name: str, schema: Schema, hint: Any) -> Lines:
        match schema:
            case list():
                yield from self._union(name, schema, hint)
            case {"type": "record"}:
                kind = inner_type(hint)
                yield f"{name}, at = {self.bind(f'read_{kind.__name__}', compile_reader(kind, schema))}(data, at)"
            case {"type": "array", "items": items}:
                yield f"{name} = []"
                item = self.variable("item")
                yield from self._blocks([*self._value(item, items, inner_type(hint)), f"{name}.append({item})"])
            case {"type": "map", "values": values}:
                yield f"{name} = {{}}"
                key, value = self.variable("key"), self.variable("value")
                pair = [*self._value(key, "string", str), *self._value(value, values, get_args(hint)[1])]
                yield from self._blocks([*pair, f"{name}[{key}] = {value}"])
            case {"logicalType": "timestamp-millis"}:
                yield from ("n, at = read_varint(data, at)", f"{name} = read_instant(n)")
            case {"logicalType": "decimal", "scale": scale}:
                yield from (*_READ_LENGTH, f"{name} = read_decimal(data[at : at + n], {scale})", "at += n")
            case _:
                yield from _READ[schema](name)
                if _is_enum(hint):
                    kind = inner_type(hint)
                    yield f"{name} = {self.bind(f'{kind.__name__}_by_value', kind._value2member_map_)}[{name}]"

    def _union(self, name: str, schema: list[Schema], hint: Any) -> Lines:
        yield from ("n = data[at]", "at += 1")
        for index, branch in enumerate(schema):
            yield f"{'el' if index else ''}if n == {index * 2}:"
            yield from _indented([f"{name} = None"] if branch == "null" else self._value(name, branch, hint))
        yield from ("else:", "    raise ValueError(n)")

    def _blocks(self, item: list[str]) -> Lines:
        """Items come in counted blocks; a negative count is followed by the block's size in bytes."""
        left = self.variable("left")
        yield from (f"{left}, at = read_varint(data, at)", f"while {left}:")
        yield from _indented([f"if {left} < 0:", f"    {left}, (n, at) = -{left}, read_varint(data, at)"])
        yield from _indented([f"for _ in range({left}):", *_indented(item), f"{left}, at = read_varint(data, at)"])


class _WriterSource(_FunctionSource):
    """Lines that append the encoding of a variable's value to ``out``."""

    def record(self, kind: type[Any], schema: Schema) -> Lines:
        hints = get_type_hints(kind)
        for field in schema["fields"]:
            name = self.variable(field["name"])
            yield f"{name} = record.{field['name']}"
            yield from self._value(name, field["type"], hints[field["name"]])

    def _value(self, name: str, schema: Schema, hint: Any) -> Lines:
        match schema:
            case list():
                yield from self._union(name, schema, hint)
            case {"type": "record"}:
                kind = inner_type(hint)
                yield f"{self.bind(f'write_{kind.__name__}', compile_writer(kind, schema))}({name}, out)"
            case {"type": "array", "items": items}:
                item = self.variable("item")
                yield from _blocks(name, f"for {item} in {name}:", list(self._value(item, items, inner_type(hint))))
            case {"type": "map", "values": values}:
                key, value = self.variable("key"), self.variable("value")
                pair = [*self._value(key, "string", str), *self._value(value, values, get_args(hint)[1])]
                yield from _blocks(name, f"for {key}, {value} in {name}.items():", pair)
            case {"logicalType": "timestamp-millis"}:
                yield f"out += instant({name})"
            case {"logicalType": "decimal", "scale": scale, "precision": precision}:
                yield from (f"b = unscaled_decimal({name}, {scale}, {precision})", *_WRITE_BYTES)
            case _:
                yield from _WRITE[schema](name)

    def _union(self, name: str, schema: list[Schema], hint: Any) -> Lines:
        """Every union of the schemas is of null and one type."""
        null = schema.index("null")
        yield from (f"if {name} is None:", f"    out.append({null * 2})", "else:", f"    out.append({2 - null * 2})")
        yield from _indented(self._value(name, schema[1 - null], hint))


_READ_LENGTH = (
    "n = data[at]",
    "if n & 129:",  # more than 63 bytes, or negative
    "    n, at = read_varint(data, at)",
    "    if n < 0: raise ValueError(n)",
    "else:",
    "    n >>= 1",
    "    at += 1",
)
_READ: dict[str, Callable[[str], tuple[str, ...]]] = {
    "string": lambda name: (*_READ_LENGTH, f"{name} = str(data[at : at + n], 'utf-8')", "at += n"),
    "bytes": lambda name: (*_READ_LENGTH, f"{name} = data[at : at + n]", "at += n"),
    "long": lambda name: (f"{name}, at = read_varint(data, at)",),
    "boolean": lambda name: (f"{name} = data[at] != 0", "at += 1"),
    "double": lambda name: (f"{name} = unpack_double(data, at)[0]", "at += 8"),
}
_WRITE_BYTES = ("n = len(b)", "out += SHORT[n] if n < 1024 else zigzag(n)", "out += b")
_WRITE: dict[str, Callable[[str], tuple[str, ...]]] = {
    "string": lambda name: (f"b = {name}.encode()", *_WRITE_BYTES),
    "bytes": lambda name: (f"b = {name}", *_WRITE_BYTES),
    "long": lambda name: (f"out += SHORT[{name}] if 0 <= {name} < 1024 else zigzag({name})",),
    "boolean": lambda name: (f"out.append(1 if {name} else 0)",),
    "double": lambda name: (f"out += pack_double({name})",),
}


def _blocks(name: str, loop: str, item: list[str]) -> Lines:
    yield f"if {name}:"
    yield from _indented([f"out += zigzag(len({name}))", loop, *_indented(item)])
    yield "out.append(0)"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _is_enum(hint: Any) -> bool:
    plain = inner_type(hint)
    return isinstance(plain, type) and issubclass(plain, StrEnum)


def inner_type(hint: Any) -> Any:
    """``X`` of ``X``, ``X | None`` and ``list[X]``."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(arg for arg in get_args(hint) if arg is not type(None))
    return get_args(hint)[0] if get_origin(hint) is list else hint


def print_generated(arguments: list[str]) -> int:
    """Print the generated functions of the record types that are named, the functions they call included."""
    kinds = {kind.__name__: kind for kind in (*get_args(records.Record), *get_args(states.State))}
    if not arguments or not set(arguments) <= set(kinds):
        sys.stderr.write(f"usage: python -m schemas.avro_compiler RECORD...; one of {', '.join(sorted(kinds))}\n")
        return 2
    for name in arguments:
        compiled_reader(kinds[name])
        compiled_writer(kinds[name])
    for filename in [name for name in linecache.cache if name.startswith("<generated ")]:
        sys.stdout.write("".join(linecache.getlines(filename)) + "\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(print_generated(sys.argv[1:]))
