"""The spool for asyncio: its file is used by one thread of its own, and requests made at once share one fsync."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from connectors.kafka.spool.errors import SpoolError
from connectors.kafka.spool.sqlite_file import SpoolContents, SpooledRecord, SpoolFile
from schemas.codec import EncodedRecord

T = TypeVar("T")
_GROUP = 1000
"""Requests that may share one commit."""


class _FileRequest:
    """One operation on the file, its outcome, and the future that waits for it."""

    __slots__ = ("error", "future", "operation", "result")

    def __init__(self, operation: Callable[[SpoolFile], Any], future: asyncio.Future[Any]) -> None:
        self.operation = operation
        self.future = future
        self.result: Any = None
        self.error: SpoolError | None = None

    def resolve(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Spool:
    """Records that wait for Kafka. A method that raises SpoolError has changed nothing."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Open or create the file at ``path``. Raises SpoolUnusable if it cannot be used.

        Args:
            path: The database file; its folder is made.
            max_bytes: Bound on the size of the database.
        """
        self._requests: SimpleQueue[_FileRequest | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        opened: SimpleQueue[Exception | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(path, max_bytes, opened), name="spool", daemon=True)
        self._thread.start()
        problem = opened.get()
        if problem is not None:
            raise problem

    def append(self, at: float, records: Sequence[EncodedRecord]) -> asyncio.Future[range]:
        """Store records behind those of earlier calls.

        Args:
            at: Time of arrival in seconds since 1970.
            records: The records, in order.

        Returns:
            A future of the records' ids, done once they are on the disk. It raises SpoolError.
        """
        return self._request(lambda file: file.append(at, records))

    async def head(self, after: int, limit: int) -> tuple[list[SpooledRecord], int]:
        """The oldest records behind id ``after``, and how many were found damaged now. Raises SpoolError."""
        return await self._request(lambda file: file.head(after, limit))

    async def delete(self, ids: Sequence[range]) -> None:
        """Delete these records. Raises SpoolError."""
        await self._request(lambda file: file.delete(ids))

    async def contents(self) -> SpoolContents:
        """What the file contains. Raises SpoolError."""
        return await self._request(lambda file: file.contents())

    async def close(self) -> None:
        """Finish every request made before, then close the file."""
        self._requests.put(None)
        await asyncio.to_thread(self._thread.join)

    def _request(self, operation: Callable[[SpoolFile], T]) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        self._requests.put(_FileRequest(operation, future))
        return future

    def _run(self, path: Path, max_bytes: int, opened: SimpleQueue[Exception | None]) -> None:
        try:
            file = SpoolFile(path, max_bytes)
        except Exception as error:  # noqa: BLE001  raised again in the thread that opens the spool
            opened.put(error)
            return
        opened.put(None)
        try:
            while group := self._next_group():
                _commit(file, group)
                self._loop.call_soon_threadsafe(_resolve_all, group)
        finally:
            file.close()

    def _next_group(self) -> list[_FileRequest]:
        """All requests that wait, at least one; empty when the spool is closed."""
        request = self._requests.get()
        group = []
        while request is not None:
            group.append(request)
            if len(group) >= _GROUP:
                return group
            try:
                request = self._requests.get_nowait()
            except Empty:
                return group
        if group:
            self._requests.put(None)  # closing: after this group
        return group


def _resolve_all(group: Sequence[_FileRequest]) -> None:
    for request in group:
        request.resolve()


def _commit(file: SpoolFile, group: Sequence[_FileRequest]) -> None:
    """Commit the group at once; if the disk refuses it, each request alone, so that one failure fails only itself."""
    if not _committed(file, group) and len(group) > 1:
        for request in group:
            _committed(file, [request])


def _committed(file: SpoolFile, group: Sequence[_FileRequest]) -> bool:
    """Commit all of the group or, if the disk refuses, nothing of it."""
    try:
        file.begin()
        for request in group:
            request.result, request.error = request.operation(file), None
        file.commit()
    except (sqlite3.Error, SpoolError) as error:
        _roll_back(file)
        for request in group:
            request.error = SpoolError(str(error))
        return False
    return True


def _roll_back(file: SpoolFile) -> None:
    try:
        file.roll_back()
    except sqlite3.Error:  # the next ``begin`` fails too, and reports it
        return
