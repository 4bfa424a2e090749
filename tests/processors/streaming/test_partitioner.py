from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner, murmur2
from hypothesis import given
from hypothesis import strategies as st

from processors.streaming.partitioner import partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_javas(key: bytes, signed: int) -> None:
    """Source: Kafka's own ``UtilsTest.testMurmur2``."""
    assert murmur2(key) & 0xFFFFFFFF == signed & 0xFFFFFFFF
    assert partition_of(key, 1000) == (signed & 0x7FFFFFFF) % 1000


@given(st.binary(min_size=1, max_size=64), st.integers(1, 100))
def test_a_key_belongs_where_aiokafka_puts_it(key: bytes, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)
