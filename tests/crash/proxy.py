"""The wire between one worker and the simulator, listened to: which create requests left that worker, and when.

What the simulator keeps does not say whose call it was, and of a call it reset or refused it keeps nothing.
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
class Heard:
    """One whole create request. ``at``: when its last byte had come, so a little later than it left."""

    worker: str
    at: datetime
    attempt_id: str
    sender: str


class Tap:
    """Carries every connection made to ``port`` on to the simulator, in a thread of its own."""

    def __init__(self, worker: str, simulator_port: int) -> None:
        self._worker = worker
        self._simulator_port = simulator_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"tap of {worker}", daemon=True)
        self._server: asyncio.Server | None = None
        self._carried: set[asyncio.Task[None]] = set()
        self.heard: list[Heard] = []
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        serving = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop)
        self._server = serving.result()
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more and end all connections."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._carried:
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        try:
            with contextlib.suppress(OSError):  # either side ends as it likes: faults do so on purpose
                simulator_reader, simulator_writer = await asyncio.open_connection("127.0.0.1", self._simulator_port)
                async with asyncio.TaskGroup() as group:
                    there = group.create_task(_carry(reader, simulator_writer, Requests(self._note).feed))
                    back = group.create_task(_carry(simulator_reader, writer, lambda _bytes: None))
                    await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
                    simulator_writer.close()
                    writer.close()
        finally:
            writer.close()
            self._carried.discard(task)

    def _note(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"POST") or b"/Messages.json" not in head.partition(b"\r\n")[0]:
            return
        form = parse_qs(body.decode())
        query = parse_qs(urlsplit(form["StatusCallback"][0]).query)
        sender = form.get("MessagingServiceSid", form.get("From", [""]))[0]
        self.heard.append(Heard(self._worker, datetime.now(UTC), query["attempt_id"][0], sender))


class Requests:
    """HTTP/1.1 requests out of a stream of bytes, each given on when it is whole: (head, body)."""

    def __init__(self, give: Callable[[bytes, bytes], None]) -> None:
        self._give = give
        self._left = b""

    def feed(self, more: bytes) -> None:
        """Take what came next."""
        self._left += more
        while _HEAD_END in self._left:
            head, _, rest = self._left.partition(_HEAD_END)
            length = _length(head)
            if len(rest) < length:
                return
            self._left = rest[length:]
            self._give(head, rest[:length])


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listen: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError):
        while more := await reader.read(1 << 16):
            listen(more)
            writer.write(more)
            await writer.drain()
