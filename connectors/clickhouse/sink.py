"""The sink: public events from Kafka into ClickHouse, in batches, committed after the insert.

At least once: a batch that was inserted but not committed comes again and changes nothing, because a row's key is its
event's id. No record is dropped: a refused insert is repeated until it succeeds, and what is no event at all goes
to its topic's dead letter before the batch is committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.engine import OneThread
from connectors.clickhouse.errors import ClickHouseConnectorError, Unstorable
from connectors.clickhouse.rows import COLUMNS, TABLE, Event, Row, event_row
from schemas.codec import Codec, EncodedRecord
from schemas.dead_letters import dead_letter
from schemas.errors import DecodeError
from schemas.ports import KafkaRecord
from schemas.reasons import DeadLetterReason
from schemas.topics import BY_NAME, PUBLIC

logger = logging.getLogger(__name__)
TOPICS = tuple(topic.name for topic in PUBLIC)
"""What the sink reads."""


class RecordReader(Protocol):
    """Blocking; what was not committed is delivered again."""

    def poll_batch(self, max_records: int, timeout: float) -> Sequence[KafkaRecord]:
        """What arrives within ``timeout`` seconds, at most ``max_records``."""
        ...

    def commit(self) -> None:
        """Everything `poll_batch` returned is done with."""
        ...


Publish = Callable[[Sequence[EncodedRecord]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """An insert costs some 17 ms of CPU however few its rows, so a batch is full or ``linger`` seconds old.

    ``passing``: errors of the reader's commit and of the publisher that time heals (the broker is away).
    """

    max_records: int = 10_000
    linger: float = 2.0
    first_pause: float = 0.2
    longest_pause: float = 15.0
    passing: tuple[type[Exception], ...] = ()


@dataclass(slots=True)
class SinkState:
    """What ``/health`` tells. ``lag`` is in seconds: how old the newest record was when it was stored."""

    events: int = 0
    batches: int = 0
    dead_letters: int = 0
    last_insert: datetime | None = None
    lag: float | None = None
    failing_since: datetime | None = None
    error: str | None = None


class Sink:
    """Owns the loop; ``run`` ends when ``stop`` is set, without committing what is not inserted."""

    def __init__(
        self,
        reader: RecordReader,
        clickhouse: ClickHouse,
        publish: Publish,
        codec: Codec,
        now: Callable[[], datetime],
        *,
        engine: OneThread,
        options: SinkOptions | None = None,
    ) -> None:
        self._reader = reader
        self._clickhouse = clickhouse
        self._publish = publish
        self._codec = codec
        self._now = now
        self._engine = engine
        self._options = options or SinkOptions()
        self._polling = OneThread("sink-reader")
        self._uncommitted = False
        self.state = SinkState()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Until ``stop``. Raises what the reader's poll raises: a topic or a right is missing, waiting helps nobody."""
        try:
            while not self.stop.is_set():
                await self.step()
        finally:
            self._polling.close()

    async def step(self) -> int:
        """One batch, from poll to commit; how many records it had."""
        options = self._options
        records = await self._polling.run(self._reader.poll_batch, options.max_records, options.linger)
        if records and not await self._store(records):
            return 0  # stopped while it failed: it comes again
        if records or self._uncommitted:
            await self._commit()
        return len(records)

    async def _store(self, records: Sequence[KafkaRecord]) -> bool:
        rows, rejected = await self._polling.run(self._sort, records)
        if rejected and not await self._until_done(lambda: self._publish(rejected), self._options.passing):
            return False
        self.state.dead_letters += len(rejected)
        if not await self._until_done(lambda: self._insert(rows), (ClickHouseConnectorError,)):
            return False
        self._stored(records, rows)
        return True

    def _sort(self, records: Sequence[KafkaRecord]) -> tuple[list[Row], list[EncodedRecord]]:
        rows: list[Row] = []
        rejected: list[EncodedRecord] = []
        for record in records:
            try:
                rows.append(event_row(cast(Event, self._codec.decode(BY_NAME[record.topic].record, record.value))))
            except DecodeError as error:
                rejected.append(self._dead_letter(record, error.reason, error.detail))
            except Unstorable as error:
                rejected.append(self._dead_letter(record, DeadLetterReason.UNSTORABLE, str(error)))
        return rows, rejected

    def _dead_letter(self, record: KafkaRecord, reason: str, detail: str) -> EncodedRecord:
        letter = dead_letter(
            self._codec,
            record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            reason=reason,
            detail=detail,
            stage="sink",
            occurred_at=self._now(),
        )
        logger.warning(
            "%s[%d] offset %d to %s: %s", record.topic, record.partition, record.offset, letter.topic, reason
        )
        return letter

    async def _insert(self, rows: Sequence[Row]) -> None:
        await self._engine.run(self._clickhouse.insert, TABLE, COLUMNS, rows)

    async def _until_done(self, attempt: Callable[[], Awaitable[None]], passing: tuple[type[Exception], ...]) -> bool:
        """Repeat with growing pauses; False if told to stop meanwhile. Errors other than ``passing`` are raised."""
        pause = self._options.first_pause
        while True:
            try:
                await attempt()
            except passing as error:
                self._failing(error)
                if await self._stopped_within(pause):
                    return False
                pause = min(pause * 2, self._options.longest_pause)
            else:
                self.state.failing_since = self.state.error = None
                return True

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return self.stop.is_set()
        return True

    async def _commit(self) -> None:
        """A commit that failed is repeated with the next batch, an empty one too; until then records may return."""
        try:
            await self._polling.run(self._reader.commit)
        except self._options.passing as error:
            logger.warning("commit failed, tried again with the next batch: %s", error)
            self._uncommitted = True
        else:
            self._uncommitted = False

    def _failing(self, error: Exception) -> None:
        logger.error("not stored yet, tried again: %s", error)
        self.state.failing_since = self.state.failing_since or self._now()
        self.state.error = str(error)

    def _stored(self, records: Sequence[KafkaRecord], rows: Sequence[Row]) -> None:
        state = self.state
        state.events += len(rows)
        state.batches += 1
        state.last_insert = self._now()
        state.lag = (state.last_insert - max(record.timestamp for record in records)).total_seconds()
