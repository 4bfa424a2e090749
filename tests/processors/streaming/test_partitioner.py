from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafkas
from hypothesis import given
from hypothesis import strategies as st

from processors.streaming.partitioner import murmur2, partition_of


@given(st.binary(max_size=64))
def test_the_hash_is_javas(key: bytes) -> None:
    """By way of aiokafka's, which is checked against Java's."""
    assert murmur2(key) == aiokafkas(key) & 0xFFFFFFFF


@given(st.binary(min_size=1, max_size=64), st.integers(1, 100))
def test_a_key_belongs_where_aiokafka_puts_it(key: bytes, partitions: int) -> None:
    everywhere = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)
