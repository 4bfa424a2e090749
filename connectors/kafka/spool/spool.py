"""The spool for asyncio: its file lives on its own thread, and what is asked of it at once shares one fsync."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from connectors.kafka.spool.errors import SpoolError
from connectors.kafka.spool.sqlite_file import Contents, Spooled, SpoolFile
from schemas.codec import EncodedRecord

T = TypeVar("T")
_GROUP = 1000
"""Requests that may share one commit."""


class _Job:
    """One thing asked of the file, and who waits for it."""

    __slots__ = ("answer", "error", "future", "work")

    def __init__(self, work: Callable[[SpoolFile], Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.answer: Any = None
        self.error: SpoolError | None = None

    def tell(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.answer)


class Spool:
    """Records that wait for Kafka. A method that cannot reach the disk raises SpoolError and has changed nothing."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Opens the file. Raises SettingError if it cannot be used."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        opened: SimpleQueue[Exception | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(path, max_bytes, opened), name="spool", daemon=True)
        self._thread.start()
        problem = opened.get()
        if problem is not None:
            raise problem

    def append(self, at: float, wires: Sequence[EncodedRecord]) -> asyncio.Future[range]:
        """Their ids, once they are on the disk; in the order of the calls. ``at`` in seconds since 1970."""
        return self._ask(lambda file: file.append(at, wires))

    async def head(self, after: int, limit: int) -> tuple[list[Spooled], int]:
        """The oldest records behind id ``after``, and how many were found damaged and set apart now."""
        return await self._ask(lambda file: file.head(after, limit))

    async def delete(self, ids: Sequence[range]) -> None:
        """Forget these records."""
        await self._ask(lambda file: file.delete(ids))

    async def contents(self) -> Contents:
        return await self._ask(lambda file: file.contents())

    async def close(self) -> None:
        """Finish what was asked and let go of the file."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _ask(self, work: Callable[[SpoolFile], T]) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, future))
        return future

    def _run(self, path: Path, max_bytes: int, opened: SimpleQueue[Exception | None]) -> None:
        try:
            file = SpoolFile(path, max_bytes)
        except Exception as error:  # noqa: BLE001  raised again by who opens the spool
            opened.put(error)
            return
        opened.put(None)
        try:
            while group := self._next_group():
                _commit(file, group)
                self._tell(group)
        finally:
            file.close()

    def _next_group(self) -> list[_Job]:
        """All that waits, at least one; empty when the spool is closed."""
        job = self._jobs.get()
        group = []
        while job is not None:
            group.append(job)
            if len(group) >= _GROUP:
                return group
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group
        if group:
            self._jobs.put(None)  # closing: after this group
        return group

    def _tell(self, group: Sequence[_Job]) -> None:
        self._loop.call_soon_threadsafe(_tell_all, group)


def _tell_all(group: Sequence[_Job]) -> None:
    for job in group:
        job.tell()


def _commit(file: SpoolFile, group: Sequence[_Job]) -> None:
    """Do all of it at once or, if the disk refuses, each thing alone: what it can still do is not refused beside it."""
    if not _committed(file, group) and len(group) > 1:
        for job in group:
            _committed(file, [job])


def _committed(file: SpoolFile, group: Sequence[_Job]) -> bool:
    """Do all of it or, if the disk refuses, none of it."""
    try:
        file.begin()
        for job in group:
            job.answer, job.error = job.work(file), None
        file.commit()
    except (sqlite3.Error, SpoolError) as error:
        _undo(file)
        for job in group:
            job.error = SpoolError(str(error))
        return False
    return True


def _undo(file: SpoolFile) -> None:
    try:
        file.roll_back()
    except sqlite3.Error:  # then the next `begin` fails too, and says so to whoever asked
        return
