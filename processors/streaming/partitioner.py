"""Which partition a key belongs in: Java's murmur2, which Faust and librdkafka's ``murmur2_random`` use too."""

from __future__ import annotations

import struct
from functools import lru_cache

_SEED = 0x9747B28C
_M = 0x5BD1E995
_32 = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash as an unsigned 32-bit number.

    Source: org.apache.kafka.common.utils.Utils.murmur2.
    """
    whole = len(data) & ~3
    h = _SEED ^ len(data)
    for k in struct.unpack_from(f"<{whole >> 2}I", data):
        k = (k * _M) & _32
        h = ((h * _M) & _32) ^ (((k ^ (k >> 24)) * _M) & _32)
    if whole != len(data):
        h = ((h ^ int.from_bytes(data[whole:], "little")) * _M) & _32
    h = ((h ^ (h >> 13)) * _M) & _32
    return h ^ (h >> 15)


@lru_cache(maxsize=100_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Where every producer of ours puts a record of this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
