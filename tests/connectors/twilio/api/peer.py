"""The other end of a connection, byte by byte: what no well-behaved HTTP server would do."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Act = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""Serves one request; True to go on with the connection."""

CREATED = b'{"sid": "SM00000000000000000000000000000001", "status": "queued"}'


class Peer:
    """Serves each request with the next act of its script, and keeps every request it read."""

    def __init__(self, *script: Act) -> None:
        self.script = list(script)
        self.requests: list[bytes] = []
        self.connections = 0
        self.bytes_read = 0
        self.url = ""
        self.released = asyncio.Event()
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        request = head + await reader.readexactly(length)
        self.requests.append(request)
        self.asked.set()
        return request

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.script and await self.script.pop(0)(self, reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away, as some tests want
        finally:
            writer.close()
            self.gone.set()


@asynccontextmanager
async def listening(*script: Act) -> AsyncIterator[Peer]:
    """A peer on a free port; one that hangs is released at the end."""
    peer = Peer(*script)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        peer.released.set()
        server.close()
        await server.wait_closed()


def unused_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def answer(status: str = "201 Created", body: bytes = CREATED, headers: str = "", *, close: bool = False) -> Act:
    """Read the request, answer it, and keep the connection or close it."""

    async def act(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await peer.read(reader)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)
        await writer.drain()
        return not close

    return act


def cut_answer(sent: bytes) -> Act:
    """Read the request, send the beginning of an answer, close."""

    async def act(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await peer.read(reader)
        writer.write(sent)
        await writer.drain()
        return False

    return act


async def close_after_request(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    await peer.read(reader)
    return False


async def reset_after_first_byte(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """A TCP reset while the request is still unread."""
    peer.bytes_read += len(await reader.readexactly(1))
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def hang(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    await peer.read(reader)
    await peer.released.wait()
    return False


async def dribble(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer for ever, a byte at a time."""
    await peer.read(reader)
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
    while not peer.released.is_set():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)  # a pace, not a wait for something
    return False


async def speak_first(_peer: Peer, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answers a TLS hello with something else."""
    writer.write(b"220 who are you\r\n")
    await writer.drain()
    return False


async def say_nothing(peer: Peer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> bool:
    """Count whatever comes until the client closes."""
    peer.bytes_read += len(await reader.read())
    return False
