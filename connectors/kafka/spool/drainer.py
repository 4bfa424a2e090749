"""What waits in the spool, and the drainer that publishes it in order as soon as Kafka is back."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from connectors.kafka.spool.errors import SpoolError
from connectors.kafka.spool.spool import Spool
from connectors.kafka.spool.sqlite_file import Contents, Spooled
from schemas.codec import EncodedRecord

log = logging.getLogger(__name__)

_GRACE_S = 2.0


class Publishes(Protocol):
    """Returns when all records are acknowledged; raises if that is not certain."""

    async def publish(self, records: Sequence[EncodedRecord]) -> None: ...


class Clock(Protocol):
    """Wall clock, and seconds on one that never jumps."""

    def now(self) -> datetime: ...

    def elapsed(self) -> float: ...


class SpoolDrainer:
    """Owns the spool between `start` and `stop`. ``waiting`` counts what is in it or on its way into it.

    ``batch`` records are published at once, after a failure ``retry_s`` pass. The drainer waits for the publisher as
    long as that takes: asking again earlier would publish twice. ``counts`` grow for ever, ``rate`` is records/s of the
    drain that is under way, 0 when nothing waits.
    """

    def __init__(
        self, spool: Spool, publisher: Publishes, clock: Clock, batch: int = 500, retry_s: float = 1.0
    ) -> None:
        self._spool = spool
        self._publisher = publisher
        self._clock = clock
        self._batch = batch
        self._retry_s = retry_s
        self._cursor = 0
        self._settled: list[range] = []
        self._held = 0
        self._stopping = False
        self._wake = asyncio.Event()
        self._drainer: asyncio.Task[None] | None = None
        self.waiting = 0
        self.rate = 0.0
        self.counts: Counter[str] = Counter(spooled=0, drained=0, acknowledged_late=0, not_kept=0, damaged=0)

    async def start(self) -> None:
        """Take up what an earlier process left."""
        self.waiting = (await self._spool.contents()).waiting
        self._drainer = asyncio.create_task(self._drain_for_ever())
        self._wake.set()

    async def stop(self) -> None:
        """Leave the rest on the disk, once what is being published is through: it would be published again."""
        self._stopping = True
        self._wake.set()
        if self._drainer is not None:
            await asyncio.wait({self._drainer}, timeout=_GRACE_S)
            self._drainer.cancel()
            with suppress(asyncio.CancelledError):
                await self._drainer
        with suppress(SpoolError):
            await self._forget()
        await self._spool.close()

    def keep(self, wires: Sequence[EncodedRecord]) -> Awaitable[range]:
        """Take the records now; the answer is their ids, once they are on the disk. It raises SpoolError."""
        self.waiting += len(wires)
        return self._kept(self._spool.append(self._clock.now().timestamp(), wires), len(wires))

    async def _kept(self, answer: Awaitable[range], count: int) -> range:
        try:
            ids = await answer
        except SpoolError:
            self.waiting -= count
            self.counts["not_kept"] += count
            raise
        self.counts["spooled"] += count
        self._wake.set()
        return ids

    def hold(self) -> None:
        """Something older is still on its way to Kafka: publish nothing until `release`."""
        self._held += 1

    def release(self) -> None:
        self._held -= 1
        self._wake.set()

    def acknowledged(self, ids: range) -> None:
        """Kafka has these after all."""
        self.counts["acknowledged_late"] += len(ids)
        self._settle(ids)
        self._wake.set()

    async def contents(self) -> Contents:
        """What the file holds. Raises SpoolError."""
        return await self._spool.contents()

    def _settle(self, ids: range) -> None:
        self.waiting -= len(ids)
        if self._settled and self._settled[-1].stop == ids.start:
            ids = range(self._settled.pop().start, ids.stop)
        self._settled.append(ids)

    async def _forget(self) -> None:
        """Delete what Kafka has; should the disk refuse, it is remembered and tried again."""
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
            if self._held:
                continue
            try:
                await self._drain()
            except Exception:  # whatever the trouble is, the records stay where they are
                log.exception("%d records wait in the spool", self.waiting)
                self.rate = 0.0
                await asyncio.sleep(self._retry_s)
                self._wake.set()

    async def _drain(self) -> None:
        began, before = self._clock.elapsed(), self.counts["drained"]
        while not self._held and not self._stopping and (found := await self._next()):
            await self._publisher.publish([spooled.wire for spooled in found])
            self.counts["drained"] += len(found)
            self.rate = (self.counts["drained"] - before) / max(self._clock.elapsed() - began, 1e-3)
            self._cursor = found[-1].id
            for spooled in found:
                self._settle(range(spooled.id, spooled.id + 1))
            await self._forget_if_possible()
        self.rate = 0.0
        await self._forget()

    async def _next(self) -> list[Spooled]:
        """The oldest records Kafka does not have, at most a batch of them."""
        while True:
            found, damaged = await self._spool.head(self._cursor, self._batch)
            self._note_damage(damaged)
            left = [spooled for spooled in found if not any(spooled.id in ids for ids in self._settled)]
            if left or not found:
                return left
            self._cursor = found[-1].id

    async def _forget_if_possible(self) -> None:
        try:
            await self._forget()
        except (
            SpoolError
        ):  # a full disk is no reason not to empty the spool; deleted later, or published twice after a crash
            log.exception("published records stay in the spool for now")

    def _note_damage(self, damaged: int) -> None:
        if damaged:
            log.error("%d records in the spool do not match their checksum and are set apart there", damaged)
            self.counts["damaged"] += damaged
            self.waiting -= damaged
