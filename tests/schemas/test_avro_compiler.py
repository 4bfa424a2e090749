"""What is generated says the same as fastavro, byte for byte, and leaves what is odd to it."""

import io
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import avro_compiler
from schemas.avro_schemas import latest_schemas
from schemas.codec import Codec
from schemas.errors import DecodeError, EncodeError
from schemas.records import Price, SendRequest
from tests.schemas.test_codec import NOW, TYPES, instances, request

CODEC = Codec()


def slowly(record: Any) -> bytes:
    return CODEC._encode_slowly(record, type(record).__name__)


def price(**changes: Any) -> Price:
    known = {"event_id": "e", "message_id": "m", "attempt": 1, "sid": "SM1", "person": "+12125550100", "tenant": "t"}
    return Price(**{**known, "price": Decimal("0.0079"), "currency": "USD", "occurred_at": NOW, **changes})


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_the_bytes_are_fastavros(kind: Any, data: st.DataObject) -> None:
    record = data.draw(instances(kind))
    out = bytearray(slowly(record)[:5])
    avro_compiler.compile_writer(kind, latest_schemas()[kind.__name__])(record, out)
    assert bytes(out) == slowly(record)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_the_records_are_fastavros(kind: Any, data: st.DataObject) -> None:
    raw = slowly(data.draw(instances(kind)))
    record, end = avro_compiler.compile_reader(kind, latest_schemas()[kind.__name__])(raw, 5)
    assert end == len(raw)
    assert repr(record) == repr(CODEC._decode_slowly(kind, raw, latest_schemas()[kind.__name__]))


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_damaged_bytes_are_judged_as_fastavro_judges_them(kind: Any, data: st.DataObject) -> None:
    raw = slowly(data.draw(instances(kind)))
    at = data.draw(st.integers(5, len(raw) - 1))
    damaged = raw[:at] + data.draw(st.binary(max_size=3)) + raw[data.draw(st.integers(at, len(raw))) :]
    assert judged(CODEC.decode, kind, damaged) == judged(
        CODEC._decode_slowly, kind, damaged, latest_schemas()[kind.__name__]
    )


def judged(decode: Any, *arguments: Any) -> str:
    try:
        return repr(decode(*arguments))
    except DecodeError as error:
        return error.reason


@pytest.mark.parametrize(
    "at", [NOW + timedelta(microseconds=999), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
)
def test_a_time_between_two_milliseconds_is_the_earlier_one(at: datetime) -> None:
    assert CODEC.encode(request(requested_at=at)) == slowly(request(requested_at=at))


def test_blocks_that_name_their_size_are_read() -> None:
    """Other writers may split an array and say how many bytes a block has: a negative count, then the size."""
    raw = CODEC.encode(request(media_urls=["a", "b"]))
    split = raw.replace(b"\x04\x02a\x02b\x00", b"\x01\x04\x02a\x02\x02b\x00")
    assert split != raw
    assert CODEC.decode(type(request()), split) == request(media_urls=["a", "b"])


@pytest.mark.parametrize("amount", [Decimal("0.0000001"), Decimal(10**18), Decimal("NaN")])
def test_an_amount_that_does_not_fit_is_an_encode_error(amount: Decimal) -> None:
    with pytest.raises(EncodeError, match="Price"):
        CODEC.encode(price(price=amount))


def test_a_number_beyond_64_bits_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="SendRequest"):
        CODEC.encode(request(validity_s=2**63))


def test_fastavro_reads_what_is_generated() -> None:
    raw = CODEC.encode(price())
    read = fastavro.schemaless_reader(io.BytesIO(raw[5:]), latest_schemas()["Price"], None)
    assert isinstance(read, dict)
    assert read["price"] == Decimal("0.007900")


def test_a_traceback_shows_the_generated_line() -> None:
    raw = CODEC.encode(request(message_class="loud"))
    with pytest.raises(KeyError) as failed:
        avro_compiler.compiled_reader(SendRequest)(raw, 5)
    shown = "".join(traceback.format_exception(failed.value))
    assert 'File "<generated read_SendRequest>"' in shown
    assert "message_class = MessageClass_by_value[message_class]" in shown


def test_the_generated_code_can_be_printed() -> None:
    """Variables have the fields' names, so that the code can be read."""
    command = [sys.executable, "-m", "schemas.avro_compiler", "Dispatch"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "def read_Dispatch(data, at):" in printed
    assert "def write_Dispatch(record, out):" in printed
    assert "deadline = record.deadline" in printed
    compile(printed, "printed", "exec")


def test_printing_an_unknown_record_names_the_known_ones() -> None:
    command = [sys.executable, "-m", "schemas.avro_compiler", "Despatch"]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "Dispatch" in failed.stderr
