"""Faust's recovery of tables, without the records it loses at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from faust.tables import TableManager
from faust.tables.recovery import Recovery

from processors.streaming.transport import consumer_of


class StageRecovery(Recovery):
    """Restores tables from their changelogs, and resumes the source partitions as its very last step.

    Upstream: ``faust/tables/recovery.py``, ``on_recovery_completed`` and ``_resume_streams`` resume the source
        partitions first, then seek them to the committed offsets, and then empty the streams' queues.
    Without the override: what a running fetcher puts into a queue between the last two steps is thrown away, and no
        worker reads it again: commits stop at the gap or, where nothing was committed yet, pass over it.
    Shown by: ``tests/processors/streaming/test_recovery.py`` and ``tests/crash/test_rebalance.py``.
    Remove when: Faust resumes the source partitions after ``flow_control.resume()``.
    """

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Let the streams start: the tables are restored."""
        async with self._resume_last(generation_id):
            await super().on_recovery_completed(generation_id)

    async def _resume_streams(self, generation_id: int = 0) -> None:
        async with self._resume_last(generation_id):
            await super()._resume_streams(generation_id)

    @asynccontextmanager
    async def _resume_last(self, generation_id: int) -> AsyncIterator[None]:
        consumer = consumer_of(self.app)
        with consumer.deferred_resume() as partitions:
            yield
        if self.app.consumer_generation_id == generation_id:  # else the next rebalance resumes what is ours then
            consumer.resume_partitions(partitions)


class StageTableManager(TableManager):
    """Faust's table manager with ``StageRecovery``."""

    @property
    def recovery(self) -> Recovery:
        """The service that restores this app's tables."""
        if self._recovery is None:
            self._recovery = StageRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
