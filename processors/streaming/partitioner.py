"""Which partition a key belongs to: Java's murmur2, which Faust and librdkafka's ``murmur2_random`` use too."""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=100_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition in which every producer of ours puts a record with this key.

    Source: Kafka's ``BuiltInPartitioner.partitionForKey``: the hash without its sign, modulo the number of partitions.
    """
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
