"""A compacted topic as a mapping in memory, with the proof of how fresh it is.

A plain aiokafka reader in the running loop, without a group: every worker has all of it. About once a second the
topic's end is asked for; once the copy has reached it, it is proven to be no older than the moment of the question.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.kafka.cluster import ClusterLike, as_cluster

logger = logging.getLogger(__name__)

OnChange = Callable[[bytes, bytes | None], None]
PROBE_SECONDS = 1.0
RETRY_SECONDS = 0.5
ANSWER_SECONDS = 5.0
_POLL_MS = 200
_MAX_RECORDS = 5000  # more at once would hold up the loop at a start


class _TopicShrank(Exception):
    """The topic is gone, or ends before what was read of it: it was made anew, or its broker lost it."""


class CompactedTopic:
    """All keys of one compacted topic.

    ``elapsed`` is the clock `age` is measured on (monotonic seconds). ``on_change`` is called in the loop for each
    record as it is applied, also during the first reading; with None for a key that is gone.
    """

    def __init__(
        self, where: ClusterLike, topic: str, elapsed: Callable[[], float], on_change: OnChange | None = None
    ) -> None:
        self._cluster = as_cluster(where)
        self._topic = topic
        self._elapsed = elapsed
        self._on_change = on_change or (lambda _key, _value: None)
        self._data: dict[bytes, bytes] = {}
        self._partitions: frozenset[TopicPartition] = frozenset()
        self._reached: Mapping[TopicPartition, int] = {}
        self._proven_at = -math.inf
        self._task: asyncio.Task[None] | None = None
        self.caught_up = asyncio.Event()
        """Set when the whole topic was read for the first time; whether it still is fresh, `age` says."""

    def get(self, key: bytes) -> bytes | None:
        """The key's latest value as far as it was read."""
        return self._data.get(key)

    def age(self, now: float) -> float:
        """Seconds since the copy was last proven to have reached the topic's end; infinite before the first time.

        ``now`` is read from the clock given as ``elapsed``.
        """
        return now - self._proven_at

    def __len__(self) -> int:
        return len(self._data)

    async def start(self) -> None:
        """Begin to read; wait for `caught_up` to have all of it. A broker that is away is waited for."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow_forever(), name=f"follow {self._topic}")

    async def stop(self) -> None:
        """Stop reading; what was read stays, and ages."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow_forever(self) -> None:
        while True:
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001  whatever it was: the copy ages, its users stop, and it is read anew
                logger.warning("%s: %r; reading it from the beginning again", self._topic, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            self._topic,
            **self._cluster.aiokafka(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=4 << 20,
            retry_backoff_ms=100,
        )
        try:
            await consumer.start()
            await self._read(consumer)
        finally:
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        fresh: dict[bytes, bytes] = {}
        self._reached = {}
        if not self.caught_up.is_set():
            self._data = fresh
        loop = asyncio.get_running_loop()
        question: _Question | None = None
        next_probe = 0.0
        while True:
            if question is None and loop.time() >= next_probe:
                question = await self._ask(consumer)
                next_probe = loop.time() + PROBE_SECONDS
            if question is not None and await question.is_reached(consumer):
                self._prove(fresh, question)
                question = None
            for records in (await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)).values():
                for record in records:
                    self._apply(fresh, record.key, record.value)
            await asyncio.sleep(0)

    def _apply(self, fresh: dict[bytes, bytes], key: bytes | None, value: bytes | None) -> None:
        if key is None:
            return  # compaction refuses them; nothing could ask for it
        if value is None:
            fresh.pop(key, None)
        else:
            fresh[key] = value
        self._on_change(key, value)

    async def _ask(self, consumer: AIOKafkaConsumer) -> _Question | None:
        """Where the topic ends now, or None if there is no answer for all the partitions it ever had."""
        asked_at = self._elapsed()
        partitions = frozenset(consumer.assignment())
        if gone := self._partitions - partitions:
            # This client would look for them again with its next metadata, minutes later; a new one does at once.
            raise _TopicShrank(f"{len(gone)} of its partitions are gone")
        self._partitions = partitions
        if not partitions:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                positions = {part: await consumer.position(part) for part in partitions}
                ends = await consumer.end_offsets(partitions)
        except (KafkaError, TimeoutError) as error:
            logger.info("%s: the broker does not say where it ends: %r", self._topic, error)
            return None
        # Both are looked at: after a reset the client's own position may be at the new beginning already.
        if any(max(positions[part], self._reached.get(part, 0)) > end for part, end in ends.items()):
            raise _TopicShrank(f"it ends at {ends}, more was read")
        return _Question(asked_at, ends)

    def _prove(self, fresh: dict[bytes, bytes], question: _Question) -> None:
        if self._data is not fresh:
            gone, self._data = self._data.keys() - fresh.keys(), fresh
            for key in gone:
                self._on_change(key, None)
        self._proven_at, self._reached = question.asked_at, question.ends
        self.caught_up.set()


class _Question:
    """The topic's ends as they were at a moment."""

    def __init__(self, asked_at: float, ends: Mapping[Any, int]) -> None:
        self.asked_at = asked_at
        self.ends = ends

    async def is_reached(self, consumer: AIOKafkaConsumer) -> bool:
        """Whether everything up to these ends has been read."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return all([await consumer.position(part) >= end for part, end in self.ends.items()])
