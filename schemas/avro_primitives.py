"""Avro's binary encoding of single values, for the code that ``avro_compiler`` generates.

Source: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DOUBLE = struct.Struct("<d")
_LONGS = range(-(2**63), 2**63)
_CACHED = 1 << 16

pack_double = _DOUBLE.pack
unpack_double = _DOUBLE.unpack_from


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The zigzag number at a position, and the position behind it."""
    byte = data[at]
    value, shift = byte & 127, 7
    while byte & 128:
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at + 1


def zigzag(number: int) -> bytes:
    """A number in the variable-length zigzag encoding.

    Raises:
        OverflowError: The number has more than 64 bits.
    """
    if number not in _LONGS:
        raise OverflowError(number)
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    out.append(left)
    return bytes(out)


SHORT = tuple(zigzag(number) for number in range(1024))
"""Small numbers encoded beforehand: most lengths and counts are small."""


@lru_cache(maxsize=_CACHED)  # a state's times are read and written again with each of its changes
def read_instant(ms: int) -> datetime:
    """The UTC time of milliseconds since 1970."""
    return _EPOCH + timedelta(0, 0, ms * 1000)


@lru_cache(maxsize=_CACHED)
def instant(at: datetime) -> bytes:
    """A time, cut to whole milliseconds since 1970."""
    since = at - _EPOCH
    return zigzag((since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)


@lru_cache(maxsize=_CACHED)  # amounts are few: segments times a rate
def read_decimal(data: bytes, scale: int) -> Decimal:
    """The decimal of an unscaled big-endian number."""
    return Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-scale)


@lru_cache(maxsize=_CACHED)
def unscaled_decimal(amount: Decimal, scale: int, precision: int) -> bytes:
    """An amount as an unscaled big-endian number.

    Raises:
        ValueError: The amount has more digits than the precision or the scale permits.
    """
    _, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int) or exponent < -scale or len(digits) > precision:
        raise ValueError(amount)
    number = int(amount.scaleb(scale))
    return number.to_bytes((number.bit_length() + 8) >> 3, "big", signed=True)
