"""Every record reaches Kafka: at once if it acknowledges in time, by way of the spool if not.

Records of one person keep their order. What was handed to the producer and not acknowledged in time is spooled and
still watched: if the acknowledgement comes after all, the spool forgets it, so that only a crash publishes anything
twice. While the spool holds anything, new records go behind it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from connectors.kafka.spool.drainer import Clock, Publishes, SpoolDrainer
from connectors.kafka.spool.errors import SpoolError
from schemas.codec import EncodedRecord

log = logging.getLogger(__name__)

Done = Callable[[bool], None]
"""Told once whether the record is safe: in Kafka, or on the disk."""


class _SpoolBatch:
    """What came in during one turn of the loop."""

    __slots__ = ("acknowledged", "deadline", "entries", "ids", "task")

    def __init__(self, deadline: float) -> None:
        self.entries: list[tuple[EncodedRecord, Done]] = []
        self.deadline = deadline
        self.task: asyncio.Task[None] | None = None
        self.ids: range | None = None
        self.acknowledged = False

    @property
    def wires(self) -> list[EncodedRecord]:
        return [wire for wire, _ in self.entries]

    def tell(self, *, safe: bool) -> None:
        for _, done in self.entries:
            done(safe)


class SpoolingPublisher:
    """Takes records one by one; used in one event loop, between `start` and `stop`.

    ``timeout`` seconds after which a record goes to the disk, or is refused where there is no ``backlog``; for
    ``unready_s`` after a refusal `trouble` says so.
    """

    def __init__(
        self,
        publisher: Publishes,
        clock: Clock,
        timeout: float,
        backlog: SpoolDrainer | None = None,
        unready_s: float = 5.0,
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._timeout = timeout
        self._unready_s = unready_s
        self._loop = asyncio.get_running_loop()
        self._gathering: _SpoolBatch | None = None
        self._outstanding: dict[_SpoolBatch, None] = {}
        self._late: set[_SpoolBatch] = set()
        self._keeping: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._refused_at: float | None = None
        self.backlog = backlog
        self.failures = 0

    async def start(self) -> None:
        """Take up what an earlier process left in the spool."""
        if self.backlog is not None:
            await self.backlog.start()

    async def stop(self) -> None:
        """Give what is under way its time; what is not through by then is in the spool."""
        self._flush()
        while self._outstanding or self._keeping:
            await asyncio.wait(
                {*self._keeping, *(b.task for b in self._outstanding if b.task is not None)}, timeout=0.05
            )
        if self._timer is not None:
            self._timer.cancel()
        for batch in self._late:
            if batch.task is not None:
                batch.task.cancel()
        if self.backlog is not None:
            await self.backlog.stop()

    def trouble(self) -> str | None:
        """Why new records are refused at the moment, or None."""
        if self._refused_at is None or self._clock.elapsed() - self._refused_at >= self._unready_s:
            return None
        return "the broker did not acknowledge" if self.backlog is None else "the spool is full or broken"

    def put(self, wire: EncodedRecord, done: Done) -> None:
        """Take one record; ``done`` is called later, never from here."""
        batch = self._gathering
        if batch is None:
            batch = self._gathering = _SpoolBatch(self._loop.time() + self._timeout)
            self._loop.call_soon(self._flush)
        batch.entries.append((wire, done))

    def _flush(self) -> None:
        """Hand over what was put, as one batch: to Kafka, or behind what is waiting."""
        batch, self._gathering = self._gathering, None
        if batch is None:
            return
        if self.backlog is not None and self.backlog.waiting:
            self._keep(batch)
            return
        self._outstanding[batch] = None
        batch.task = self._loop.create_task(self._publish(batch))
        if self._timer is None:
            self._timer = self._loop.call_at(batch.deadline, self._on_time)

    async def _publish(self, batch: _SpoolBatch) -> None:
        try:
            await self._publisher.publish(batch.wires)
        except Exception:  # whatever the trouble is: the records are kept here, or left with Twilio
            log.exception("%d records were not acknowledged", len(batch.entries))
            self._on_failure(batch)
        else:
            self._on_success(batch)
        if batch in self._late:
            self._late.discard(batch)
            if self.backlog is not None:
                self.backlog.release()

    def _on_success(self, batch: _SpoolBatch) -> None:
        batch.acknowledged = True
        if batch in self._outstanding:
            del self._outstanding[batch]
            batch.tell(safe=True)
        else:
            self._forget(batch)

    def _on_failure(self, batch: _SpoolBatch) -> None:
        self.failures += 1
        if batch in self._outstanding:
            self._give_up([batch])

    def _on_time(self) -> None:
        """The oldest batch's time is up, or it is long through and this was the timer of another."""
        self._timer = None
        now = self._loop.time()
        due = [batch for batch in self._outstanding if batch.deadline <= now]
        if due:
            log.warning("no acknowledgement within %s s", self._timeout)
            self.failures += 1
            self._give_up(due)
            self._stop_refused(due)
        if self._outstanding:
            self._timer = self._loop.call_at(next(iter(self._outstanding)).deadline, self._on_time)

    def _give_up(self, due: Sequence[_SpoolBatch]) -> None:
        if self.backlog is None:
            for batch in due:
                del self._outstanding[batch]
                self._refuse(batch)
            return
        for batch in list(self._outstanding):  # all of them: nobody's later record may overtake an earlier one
            del self._outstanding[batch]
            self._late.add(batch)
            self.backlog.hold()
            self._keep(batch)

    def _stop_refused(self, due: Sequence[_SpoolBatch]) -> None:
        """Where nothing is spooled the answer was no: then nobody waits for Kafka's any more."""
        for batch in due:
            if self.backlog is None and batch.task is not None:
                batch.task.cancel()

    def _refuse(self, batch: _SpoolBatch) -> None:
        self._refused_at = self._clock.elapsed()
        batch.tell(safe=False)

    def _keep(self, batch: _SpoolBatch) -> None:
        assert self.backlog is not None
        task = self._loop.create_task(self._kept(batch, self.backlog.keep(batch.wires)))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _kept(self, batch: _SpoolBatch, answer: Awaitable[range]) -> None:
        try:
            batch.ids = await answer
        except SpoolError:
            log.exception("%d records found no room in the spool", len(batch.entries))
            self._refuse(batch)
            return
        if batch.acknowledged:
            self._forget(batch)
        batch.tell(safe=True)

    def _forget(self, batch: _SpoolBatch) -> None:
        """Kafka has what was spooled, or will find itself spooled in a moment and come here then."""
        if self.backlog is not None and batch.ids is not None:
            self.backlog.acknowledged(batch.ids)
