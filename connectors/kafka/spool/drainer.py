"""Publishes what waits in the spool, in order, as soon as Kafka is back."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import suppress

from connectors.kafka.spool.errors import SpoolError
from connectors.kafka.spool.spool import Spool
from connectors.kafka.spool.sqlite_file import SpoolContents, SpooledRecord
from schemas.codec import EncodedRecord
from schemas.ports import Clock, Publisher

logger = logging.getLogger(__name__)

_GRACE_S = 2.0


class SpoolDrainer:
    """Owns the spool between `start` and `stop`.

    The drainer waits for the publisher however long a publish takes: publishing the same records again meanwhile would
    write them twice. ``waiting`` counts records in the spool or on their way into it. ``counts`` only grow: spooled,
    drained, acknowledged_late, refused (the disk did not take them), damaged. ``rate`` is records per second of the
    drain under way, 0 when nothing waits.
    """

    def __init__(
        self, spool: Spool, publisher: Publisher, clock: Clock, batch: int = 500, retry_s: float = 1.0
    ) -> None:
        """Bind the drainer to a spool.

        Args:
            spool: Where records wait; closed by `stop`.
            publisher: Where records go.
            clock: Wall clock for the age of records, steady clock for the rate.
            batch: Records published together.
            retry_s: Seconds between a failed publish and the next one.
        """
        self._spool = spool
        self._publisher = publisher
        self._clock = clock
        self._batch = batch
        self._retry_s = retry_s
        self._cursor = 0
        self._settled: list[range] = []
        self._pauses = 0
        self._stopping = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.waiting = 0
        self.rate = 0.0
        self.counts: Counter[str] = Counter(spooled=0, drained=0, acknowledged_late=0, refused=0, damaged=0)

    async def start(self) -> None:
        """Begin with the records that an earlier process left. Raises SpoolError if the file cannot be read."""
        self.waiting = (await self._spool.contents()).waiting
        self._task = asyncio.create_task(self._drain_for_ever())
        self._wake.set()

    async def stop(self) -> None:
        """Wait up to two seconds for the publish under way, then close the spool with the rest still in it.

        A publish that is cut off would be repeated by the next process.
        """
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_GRACE_S)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(SpoolError):
            await self._delete_settled()
        await self._spool.close()

    def append(self, records: Sequence[EncodedRecord]) -> Awaitable[range]:
        """Put records into the spool, in the order of the calls.

        Returns:
            An awaitable of the records' ids, done once they are on the disk. It raises SpoolError.
        """
        self.waiting += len(records)
        return self._counted(self._spool.append(self._clock.now().timestamp(), records), len(records))

    async def _counted(self, ids_on_disk: Awaitable[range], count: int) -> range:
        try:
            ids = await ids_on_disk
        except SpoolError:
            self.waiting -= count
            self.counts["refused"] += count
            raise
        self.counts["spooled"] += count
        self._wake.set()
        return ids

    def pause(self) -> None:
        """Publish nothing until as many calls of `resume`: an older record is still on its way to Kafka."""
        self._pauses += 1

    def resume(self) -> None:
        """End one `pause`."""
        self._pauses -= 1
        self._wake.set()

    def acknowledged(self, ids: range) -> None:
        """Kafka acknowledged these spooled records after their time-out: do not publish them again."""
        self.counts["acknowledged_late"] += len(ids)
        self._settle(ids)
        self._wake.set()

    async def contents(self) -> SpoolContents:
        """What the file contains. Raises SpoolError."""
        return await self._spool.contents()

    def _settle(self, ids: range) -> None:
        self.waiting -= len(ids)
        if self._settled and self._settled[-1].stop == ids.start:
            ids = range(self._settled.pop().start, ids.stop)
        self._settled.append(ids)

    async def _delete_settled(self) -> None:
        """Delete what Kafka has. Raises SpoolError; then the ids are remembered for the next try."""
        settled = self._settled
        if settled:
            self._settled = []
            try:
                await self._spool.delete(settled)
            except SpoolError:
                self._settled = settled + self._settled
                raise

    async def _drain_for_ever(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            if self._pauses:
                continue
            try:
                await self._drain()
            except Exception:  # whatever the trouble is, the records stay where they are
                logger.exception("%d records wait in the spool; next try in %s s", self.waiting, self._retry_s)
                self.rate = 0.0
                await asyncio.sleep(self._retry_s)
                self._wake.set()

    async def _drain(self) -> None:
        began, before = self._clock.elapsed(), self.counts["drained"]
        while not self._pauses and not self._stopping and (found := await self._next()):
            await self._publisher.publish([spooled.record for spooled in found])
            self.counts["drained"] += len(found)
            self.rate = (self.counts["drained"] - before) / max(self._clock.elapsed() - began, 1e-3)
            self._cursor = found[-1].id
            for spooled in found:
                self._settle(range(spooled.id, spooled.id + 1))
            await self._delete_settled_if_possible()
        self.rate = 0.0
        await self._delete_settled()

    async def _next(self) -> list[SpooledRecord]:
        """The oldest records Kafka does not have, at most a batch of them."""
        while True:
            found, damaged = await self._spool.head(self._cursor, self._batch)
            self._note_damage(damaged)
            left = [spooled for spooled in found if not any(spooled.id in ids for ids in self._settled)]
            if left or not found:
                return left
            self._cursor = found[-1].id

    async def _delete_settled_if_possible(self) -> None:
        """Delete, but go on draining where the disk is too full to delete.

        What is published and not deleted is deleted later, or published a second time after a crash.
        """
        try:
            await self._delete_settled()
        except SpoolError:
            logger.exception("published records cannot be deleted from the spool yet")

    def _note_damage(self, damaged: int) -> None:
        if damaged:
            logger.error("%d records in the spool do not match their checksum; they stay there, unpublished", damaged)
            self.counts["damaged"] += damaged
            self.waiting -= damaged
