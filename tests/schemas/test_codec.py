"""Records survive the wire, and bytes that are no record are refused with a reason."""

import json
import struct
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from schemas import records, states
from schemas.avro_schemas import avro_files, latest_schemas
from schemas.codec import Codec
from schemas.enums import Lane
from schemas.errors import DecodeError, EncodeError
from schemas.records import Dispatch, SendRequest

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CODEC = Codec()
TYPES = [*get_args(records.Record), *get_args(states.State)]
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
AMOUNTS = st.decimals(min_value=-1000, max_value=1000, places=6)


def request(**changes: Any) -> SendRequest:
    return SendRequest(**{"message_id": "m1", "to": "+12125550100", "body": "hello", "requested_at": NOW, **changes})


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotated type."""
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([st.none() if arg is NoneType else values(arg) for arg in get_args(hint)])
    if get_origin(hint) is list:
        return st.lists(values(get_args(hint)[0]), max_size=2)
    if get_origin(hint) is dict:
        return st.dictionaries(st.text(max_size=5), values(get_args(hint)[1]), max_size=2)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return instances(hint)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        datetime: INSTANTS,
        Decimal: AMOUNTS,
        int: st.integers(-(2**40), 2**40),
        float: st.floats(allow_nan=False),
    }
    return plain.get(hint, st.from_type(hint))


def instances(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in fields(kind)})


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_record_survives_the_wire(kind: Any, data: st.DataObject) -> None:
    record = data.draw(instances(kind))
    assert CODEC.decode(kind, CODEC.encode(record)) == record


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_a_struct_and_its_avro_file_name_the_same_fields_in_the_same_order(kind: Any) -> None:
    schema = latest_schemas()[kind.__name__]
    assert [field["name"] for field in schema["fields"]] == [field.name for field in fields(kind)]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_a_field_without_default_in_the_avro_file_has_none_in_the_struct(kind: Any) -> None:
    schema = latest_schemas()[kind.__name__]
    optional = {
        field.name for field in fields(kind) if field.default is not NODEFAULT or field.default_factory is not NODEFAULT
    }
    assert {field["name"] for field in schema["fields"] if "default" in field} == optional


@pytest.mark.parametrize("file", avro_files(), ids=lambda file: f"{file.name}.v{file.version}")
def test_every_field_is_documented(file: Any) -> None:
    schema = json.loads(file.text)
    assert schema["doc"]
    assert all(field.get("doc") for field in schema["fields"])


def test_wire_ids_are_unique() -> None:
    ids = [file.id for file in avro_files()]
    assert len(ids) == len(set(ids))


def test_any_avro_tool_given_the_schema_reads_the_wire_format() -> None:
    raw = CODEC.encode(request(body="für €5"))
    magic, schema_id = struct.unpack_from(">bI", raw)
    file = next(file for file in avro_files() if file.id == schema_id)
    with_container = fastavro.parse_schema(json.loads(file.text))
    import io

    read = fastavro.schemaless_reader(io.BytesIO(raw[5:]), with_container, None)
    assert magic == 0
    assert isinstance(read, dict)
    assert read["body"] == "für €5"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"{}", "not_avro"),
        (b'{"to": "+12125550100"}', "not_avro"),
        (b"\x00\x00\x00\x00\x07abc", "unknown_schema_id"),
        (CODEC.encode(request()) + b"x", "trailing_bytes"),
        (CODEC.encode(request())[:-4], "undecodable"),
    ],
)
def test_bytes_that_are_no_record_are_refused_with_a_reason(raw: bytes | None, reason: str) -> None:
    with pytest.raises(DecodeError) as refused:
        CODEC.decode(SendRequest, raw)
    assert refused.value.reason == reason


@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_a_decode_error_is_raised(raw: bytes) -> None:
    for data in (raw, CODEC.encode(request())[:5] + raw):
        try:
            CODEC.decode(SendRequest, data)
        except DecodeError as error:
            assert error.reason


def test_a_record_of_another_topic_is_refused() -> None:
    with pytest.raises(DecodeError, match="SendRequest, not Dispatch"):
        CODEC.decode(Dispatch, CODEC.encode(request()))


def test_an_unknown_word_of_a_closed_set_is_refused() -> None:
    raw = CODEC.encode(request(message_class="loud"))
    with pytest.raises(DecodeError, match=r"Invalid enum value 'loud' - at `\$.message_class`"):
        CODEC.decode(SendRequest, raw)


def test_a_value_that_does_not_fit_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="SendRequest"):
        CODEC.encode(request(body=5))


def test_ids_of_a_registry_replace_the_committed_ones() -> None:
    codec = Codec(ids={"SendRequest": 77})
    raw = codec.encode(request())
    assert struct.unpack_from(">bI", raw)[1] == 77
    assert codec.decode(SendRequest, raw) == request()


def test_a_record_written_with_a_newer_registered_schema_is_read() -> None:
    newer = json.loads(next(file.text for file in avro_files() if file.name == "SendRequest"))
    newer["fields"].append({"name": "mood", "type": "string", "default": "calm"})
    schema = fastavro.parse_schema(newer)
    upstream = Codec(ids={"SendRequest": 900})
    raw = upstream.encode(request()) + b"\x08calm"
    codec = Codec(find_writer=lambda schema_id: schema if schema_id == 900 else None)
    assert codec.decode(SendRequest, raw) == request()


def test_a_registry_may_give_our_numbers_to_other_schemas() -> None:
    """A registry with a thousand schemas hands out the numbers of ids.json: tables are read all the same."""
    taken = {file.name: file.id for file in avro_files()}
    registry = {taken["MessageState"]: latest_schemas()["Sent"], taken["SendRequest"]: latest_schemas()["Price"]}
    codec = Codec(ids={"Sent": taken["MessageState"], "SendRequest": 5000}, find_writer=registry.get)
    kept = states.ConsentRecord(person="+12125550100")
    waiting = states.MessageState(
        message_id="m1", phase=states.Phase.WAITING, request=request(), request_hash="h", deadline=NOW, updated_at=NOW
    )
    assert codec.decode(states.MessageState, codec.encode(waiting)) == waiting
    assert codec.decode(states.ConsentRecord, codec.encode(kept)) == kept
    assert codec.decode(SendRequest, CODEC.encode(request())) == request()  # older than the registry
    with pytest.raises(DecodeError, match="wrong_record"):
        codec.decode(Dispatch, codec.encode(request()))


def test_a_newer_schema_of_the_registry_wins_over_the_number_it_had_here() -> None:
    newer = json.loads(json.dumps(latest_schemas()["SendRequest"]))
    newer["fields"].append({"name": "mood", "type": "string"})
    own_number = next(file.id for file in avro_files() if file.name == "SendRequest")
    codec = Codec(ids={"SendRequest": 5000}, find_writer={own_number: newer}.get)
    assert codec.decode(SendRequest, CODEC.encode(request()) + b"\x08glad") == request()


def test_lanes_are_words_on_the_wire() -> None:
    schema = latest_schemas()["Dispatch"]
    lane = next(field for field in schema["fields"] if field["name"] == "lane")
    assert lane["type"] == "string"
    assert Lane("bulk") is Lane.BULK
