"""A TCP proxy between one worker and the simulator, which records each create request with its time.

The simulator's ledger does not show which worker made a call, and nothing of a call that it reset or refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One complete create request. ``at``: when its last byte arrived, so a little later than it was sent."""

    worker: str
    at: datetime
    attempt_id: str
    sender: str


class Proxy:
    """Forwards every connection to ``port`` to the simulator, in a thread of its own; ``calls`` are the requests."""

    def __init__(self, worker: str, simulator_port: int) -> None:
        self._worker = worker
        self._simulator_port = simulator_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy of {worker}", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.calls: list[RecordedCall] = []
        self.port = 0

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop)
        self._server = starting.result()
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError):  # either side may reset the connection: faults do so on purpose
                simulator_reader, simulator_writer = await asyncio.open_connection("127.0.0.1", self._simulator_port)
                async with asyncio.TaskGroup() as group:
                    requests = RequestSplitter(self._record)
                    there = group.create_task(_forward(reader, simulator_writer, requests.feed))
                    back = group.create_task(_forward(simulator_reader, writer, lambda _bytes: None))
                    await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
                    simulator_writer.close()
                    writer.close()
        finally:
            writer.close()
            self._connections.discard(task)

    def _record(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"POST") or b"/Messages.json" not in head.partition(b"\r\n")[0]:
            return
        form = parse_qs(body.decode())
        query = parse_qs(urlsplit(form["StatusCallback"][0]).query)
        sender = form.get("MessagingServiceSid", form.get("From", [""]))[0]
        self.calls.append(RecordedCall(self._worker, datetime.now(UTC), query["attempt_id"][0], sender))


class RequestSplitter:
    """Splits a stream of bytes into HTTP/1.1 requests; ``on_request`` gets head and body of each complete one."""

    def __init__(self, on_request: Callable[[bytes, bytes], None]) -> None:
        self._on_request = on_request
        self._buffer = b""

    def feed(self, more: bytes) -> None:
        """Add the next bytes of the stream."""
        self._buffer += more
        while _HEAD_END in self._buffer:
            head, _, rest = self._buffer.partition(_HEAD_END)
            length = _content_length(head)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._on_request(head, rest[:length])


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_bytes: Callable[[bytes], None]
) -> None:
    with contextlib.suppress(OSError):
        while more := await reader.read(1 << 16):
            on_bytes(more)
            writer.write(more)
            await writer.drain()
