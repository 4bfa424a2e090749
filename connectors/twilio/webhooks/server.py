"""Accepts connections for the webhook application: how many at once, how many from one address, and TLS.

A connection takes its place when the kernel hands it over, before its first byte and before the TLS handshake, and
keeps the place until it is gone: an attacker who never finishes a handshake is counted like any other client.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from connectors.twilio.webhooks.http_protocol import BoundedHttpProtocol, HttpBounds, ProtocolContext

logger = logging.getLogger(__name__)

_BACKLOG = 1024
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n"
    b"retry-after: 1\r\nconnection: close\r\n\r\ntoo many connections\n"
)


class ConnectionLimit:
    """At most ``total`` connections at once, and ``per_address`` from one IP address."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._open: Counter[str] = Counter()
        self.open = 0

    def refusal(self, address: str) -> str | None:
        """Why one more connection from ``address`` is refused (``total``, ``address``), or None."""
        if self.open >= self._total:
            return "total"
        return "address" if self._open[address] >= self._per_address else None

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Count one connection while the block runs."""
        self.open += 1
        self._open[address] += 1
        try:
            yield
        finally:
            self.open -= 1
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


class WebhookServer:
    """Serves one ASGI application. ``counts``: refused_total, refused_address, timed_out, malformed, tls_failed.

    ``clock`` gives seconds on a clock that never jumps; without it the event loop's.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        bounds: HttpBounds,
        limit: ConnectionLimit,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        config = Config(
            app,
            http=BoundedHttpProtocol,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=round(bounds.idle_timeout) + 1,
        )
        config.load()
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []
        self.limit = limit
        self.counts: Counter[str] = Counter()
        self.context = ProtocolContext(config, ServerState(), bounds, self.counts, self._clock())
        self.tick()

    @property
    def connections(self) -> list[BoundedHttpProtocol]:
        """The connections that are open, those in their TLS handshake apart."""
        return [connection for connection in self.context.state.connections if type(connection) is BoundedHttpProtocol]

    async def start(self, host: str, port: int) -> int:
        """Listen on every address of ``host``. Returns the port, the system's choice for port 0. Raises OSError."""
        found = await self._loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            listener = socket.create_server((address[0], port), family=family, backlog=_BACKLOG)
            listener.setblocking(False)
            port = int(listener.getsockname()[1])
            self._accepting.append(self._loop.create_task(self._accept(listener)))
        self._accepting.append(self._loop.create_task(self._tick_for_ever()))
        return port

    async def stop(self, grace: float) -> None:
        """Accept nothing more and end each connection after its last response; after ``grace`` seconds, at once."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for connection in self.connections:
            connection.shutdown()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for connection in self.connections:
            connection.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def tick(self) -> None:
        """Renew the ``Date`` header and end connections that are too slow. Called once a second, or more often."""
        context = self.context
        context.now = self._clock()
        context.state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
        for connection in self.connections:
            connection.check_time()

    async def _tick_for_ever(self) -> None:
        bounds = self.context.bounds
        while True:
            await asyncio.sleep(min(1.0, bounds.read_timeout / 4, bounds.idle_timeout / 4))
            self.tick()

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    client, address = await self._loop.sock_accept(listener)
                except ConnectionError:  # the client was gone before we looked
                    continue
                except OSError:  # no file descriptor is free, most likely
                    logger.exception("no connection can be accepted; trying again in a second")
                    await asyncio.sleep(1)
                    continue
                self._take(client, str(address[0]))
                await asyncio.sleep(0)  # ``sock_accept`` does not yield while clients queue up

    def _take(self, client: socket.socket, address: str) -> None:
        refusal = self.limit.refusal(address)
        if refusal is not None:
            self.counts[f"refused_{refusal}"] += 1
            self._send_away(client)
            return
        task = self._loop.create_task(self._serve(client, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send_away(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self._tls is None:  # before a TLS handshake there is no way to say why
                client.send(_BUSY)

    async def _serve(self, client: socket.socket, address: str) -> None:
        """Run one connection until it is gone, handshake included."""
        handshake = {"ssl": self._tls, "ssl_handshake_timeout": self.context.bounds.read_timeout} if self._tls else {}
        with self.limit.place(address):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                _, connection = await self._loop.connect_accepted_socket(
                    lambda: BoundedHttpProtocol(self.context),
                    client,
                    **handshake,  # type: ignore[arg-type]
                )
            except OSError:  # ``ssl.SSLError`` and the time-out of the handshake too
                self.counts["tls_failed"] += 1
                return
            await connection.lost
