"""Every record reaches Kafka: at once if the broker acknowledges in time, by way of the spool if not.

Records of one person keep their order. A record that was handed to the producer and not acknowledged in time is spooled
and still watched: if the acknowledgement comes after all, the spool deletes the record, so that only a crash publishes
anything twice. While the spool contains anything, new records queue up behind it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence

from connectors.kafka.spool.drainer import SpoolDrainer
from connectors.kafka.spool.errors import SpoolError
from schemas.codec import EncodedRecord
from schemas.ports import Clock, Publisher

logger = logging.getLogger(__name__)


class _SpoolBatch:
    """What was put during one turn of the event loop."""

    __slots__ = ("acknowledged", "deadline", "delivered", "ids", "records", "task")

    def __init__(self, deadline: float) -> None:
        self.records: list[EncodedRecord] = []
        self.delivered: list[asyncio.Future[bool]] = []
        self.deadline = deadline
        self.task: asyncio.Task[None] | None = None
        self.ids: range | None = None
        self.acknowledged = False

    def resolve(self, *, safe: bool) -> None:
        for future in self.delivered:
            if not future.done():
                future.set_result(safe)


class SpoolingPublisher:
    """Takes records in one event loop, between `start` and `stop`.

    ``failures`` counts publishes that failed or were not acknowledged in time.
    """

    def __init__(
        self,
        publisher: Publisher,
        clock: Clock,
        timeout: float,
        drainer: SpoolDrainer | None = None,
        unready_s: float = 5.0,
    ) -> None:
        """Bind to a publisher; a running event loop is needed.

        Args:
            publisher: Where records go.
            clock: A steady clock for `trouble`.
            timeout: Seconds after which a record goes to the spool, or is refused where there is none.
            drainer: The spool and what empties it; None for no spool.
            unready_s: Seconds after a refusal for which `trouble` reports it.
        """
        self._publisher = publisher
        self._clock = clock
        self._timeout = timeout
        self._unready_s = unready_s
        self._loop = asyncio.get_running_loop()
        self._gathering: _SpoolBatch | None = None
        self._outstanding: dict[_SpoolBatch, None] = {}
        self._late: set[_SpoolBatch] = set()
        self._spooling: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._refused_at: float | None = None
        self.drainer = drainer
        self.failures = 0

    async def start(self) -> None:
        """Begin with the records that an earlier process left in the spool. Raises SpoolError."""
        if self.drainer is not None:
            await self.drainer.start()

    async def stop(self) -> None:
        """Let what is under way come to its end or its time-out; what Kafka has not by then is in the spool."""
        self._flush()
        while self._outstanding or self._spooling:
            publishing = {batch.task for batch in self._outstanding if batch.task is not None}
            await asyncio.wait(self._spooling | publishing, timeout=0.05)
        if self._timer is not None:
            self._timer.cancel()
        for batch in self._late:
            if batch.task is not None:
                batch.task.cancel()
        if self.drainer is not None:
            await self.drainer.stop()

    def trouble(self) -> str | None:
        """Why records are refused at the moment, or None."""
        if self._refused_at is None or self._clock.elapsed() - self._refused_at >= self._unready_s:
            return None
        return "the broker did not acknowledge" if self.drainer is None else "the spool is full or broken"

    def put(self, records: Sequence[EncodedRecord]) -> asyncio.Future[bool]:
        """Take records that belong together.

        Returns:
            A future of whether all of them are safe, in Kafka or on the disk. It never raises and is never done yet.
        """
        batch = self._gathering
        if batch is None:
            batch = self._gathering = _SpoolBatch(self._loop.time() + self._timeout)
            self._loop.call_soon(self._flush)
        delivered = self._loop.create_future()
        batch.records.extend(records)
        batch.delivered.append(delivered)
        return delivered

    def _flush(self) -> None:
        """Hand over what was put, as one batch: to Kafka, or to the spool while records wait there."""
        batch, self._gathering = self._gathering, None
        if batch is None:
            return
        if self.drainer is not None and self.drainer.waiting:
            self._spool(batch, self.drainer)
            return
        self._outstanding[batch] = None
        batch.task = self._loop.create_task(self._publish(batch))
        if self._timer is None:
            self._timer = self._loop.call_at(batch.deadline, self._on_time)

    async def _publish(self, batch: _SpoolBatch) -> None:
        try:
            await self._publisher.publish(batch.records)
        except Exception:  # whatever the trouble is: the records are spooled, or left with Twilio
            logger.exception("%d records were not acknowledged", len(batch.records))
            self._on_failure(batch)
        else:
            self._on_success(batch)
        if batch in self._late:
            self._late.discard(batch)
            if self.drainer is not None:
                self.drainer.resume()

    def _on_success(self, batch: _SpoolBatch) -> None:
        batch.acknowledged = True
        if batch in self._outstanding:
            del self._outstanding[batch]
            batch.resolve(safe=True)
        else:
            self._delete(batch)

    def _on_failure(self, batch: _SpoolBatch) -> None:
        self.failures += 1
        if batch in self._outstanding:
            self._give_up([batch])

    def _on_time(self) -> None:
        """Give up batches whose time is up. The timer may be that of a batch long acknowledged."""
        self._timer = None
        now = self._loop.time()
        due = [batch for batch in self._outstanding if batch.deadline <= now]
        if due:
            logger.warning("no acknowledgement within %s s", self._timeout)
            self.failures += 1
            self._give_up(due)
        if self._outstanding:
            self._timer = self._loop.call_at(next(iter(self._outstanding)).deadline, self._on_time)

    def _give_up(self, due: Sequence[_SpoolBatch]) -> None:
        """Spool every outstanding batch: a later record must not overtake an earlier one. Without a spool, refuse."""
        if self.drainer is None:
            self._refuse_all(due)
            return
        for batch in list(self._outstanding):
            del self._outstanding[batch]
            self._late.add(batch)
            self.drainer.pause()
            self._spool(batch, self.drainer)

    def _refuse_all(self, due: Sequence[_SpoolBatch]) -> None:
        for batch in due:
            del self._outstanding[batch]
            self._refuse(batch)
            if batch.task is not None and batch.task is not asyncio.current_task():
                batch.task.cancel()  # nobody waits for Kafka's answer any more

    def _refuse(self, batch: _SpoolBatch) -> None:
        self._refused_at = self._clock.elapsed()
        batch.resolve(safe=False)

    def _spool(self, batch: _SpoolBatch, drainer: SpoolDrainer) -> None:
        # The order in the spool is that of the calls of ``append``: called here, only awaited in the task.
        task = self._loop.create_task(self._spooled(batch, drainer.append(batch.records)))
        self._spooling.add(task)
        task.add_done_callback(self._spooling.discard)

    async def _spooled(self, batch: _SpoolBatch, ids: Awaitable[range]) -> None:
        try:
            batch.ids = await ids
        except SpoolError:
            logger.exception("%d records found no room in the spool", len(batch.records))
            self._refuse(batch)
            return
        if batch.acknowledged:
            self._delete(batch)
        batch.resolve(safe=True)

    def _delete(self, batch: _SpoolBatch) -> None:
        """Kafka has a spooled batch. While its ids are not known yet nothing happens here: `_spooled` comes back."""
        if self.drainer is not None and batch.ids is not None:
            self.drainer.acknowledged(batch.ids)
