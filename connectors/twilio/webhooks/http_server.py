"""HTTP/1.1 connections, at a fraction of a web framework's cost: a parser straight on asyncio's transport.

Everything a client can send is bounded: lines, headers, bodies, requests ahead of their answers, time to send one.
A request is handled once it is whole; answers leave in the order of the requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from typing import cast

from connectors.twilio.webhooks.http_messages import NO_CONTENT, Answer, Handler, Request, busy, render, text
from connectors.twilio.webhooks.request_reader import Bounds, RequestReader

log = logging.getLogger(__name__)

_AHEAD = 64
"""Requests a client may send before their answers; nobody honest sends two."""
_LINGER_S = 2.0


class Connections:
    """All open connections: makes them, ends those that are too slow."""

    def __init__(self, handler: Handler, bounds: Bounds, time: Callable[[], float] | None = None) -> None:
        self.handler = handler
        self.bounds = bounds
        self.loop = asyncio.get_running_loop()
        self.time = time or self.loop.time
        self.open: set[Connection] = set()
        self.refused = 0
        self.timed_out = 0
        self.malformed = 0
        self.closing = False
        self.tick()

    def __call__(self) -> Connection:
        return Connection(self)

    def tick(self) -> None:
        """Once a second, or more often."""
        self.date = f"Date: {formatdate(usegmt=True)}\r\n".encode()
        self.no_content = render(NO_CONTENT, self.date, close=False)
        now = self.time()
        for connection in list(self.open):
            connection.check_time(now)

    async def tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.bounds.read_timeout / 4, self.bounds.idle_timeout / 4))
            self.tick()

    def close(self) -> None:
        """After the last answer of each."""
        self.closing = True
        for connection in list(self.open):
            connection.close_when_answered()


class Connection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_ahead",
        "_all",
        "_began",
        "_busy",
        "_idle_since",
        "_last",
        "_lingers_since",
        "_pumping",
        "_reader",
        "_transport",
    )

    def __init__(self, all_: Connections) -> None:
        self._all = all_
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader(all_.bounds, self._take, self._refuse)
        self._ahead: deque[tuple[Request, bool]] = deque()
        self._busy = False
        self._pumping = False
        self._last = False
        self._began: float | None = None
        self._idle_since = 0.0
        self._lingers_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        everyone, bounds = self._all, self._all.bounds
        if len(everyone.open) >= bounds.max_connections or everyone.closing:
            everyone.refused += 1
            self._refuse(busy("too many connections"))
            return
        everyone.open.add(self)
        self._began = self._idle_since = everyone.time()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self._all.open.discard(self)
        self._ahead.clear()
        self._reader.close()
        self._transport = None

    def eof_received(self) -> bool:
        """The client sends no more; whether it is still owed an answer."""
        self._last = True
        owed = self._busy or bool(self._ahead)
        return owed and self._transport is not None and self._transport.can_write_eof()

    def pause_writing(self) -> None:
        """The client does not read: nor do we, and after a while its time is up."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._last:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._last:
            return
        if self._began is None:
            self._began = self._all.time()
        reader = self._reader
        reader.feed(data)
        if not reader.partway:
            self._began = None
        elif reader.asked and not self._busy and self._transport is not None:
            reader.asked = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _take(self, request: Request, last: bool) -> None:  # noqa: FBT001  HTTP's own word for it is a flag too
        if self._last:
            return
        if self._busy or self._ahead:
            self._queue(request, last)
        else:
            self._start(request, last)

    def _queue(self, request: Request, last: bool) -> None:  # noqa: FBT001  as above
        if len(self._ahead) < _AHEAD:
            self._ahead.append((request, last))
        elif self._transport is not None:
            self._transport.abort()
            self._last = True

    def _start(self, request: Request, last: bool) -> None:  # noqa: FBT001  as above
        self._busy = True
        self._last = self._last or last
        try:
            self._all.handler(request, self._answered)
        except Exception:
            log.exception("%s %s", request.method, request.target.partition("?")[0])
            if self._busy:
                self._answered(text(500, "a bug of ours"))

    def _answered(self, answer: Answer) -> None:
        self._busy = False
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        last = self._last and not self._ahead
        usual = answer is NO_CONTENT and not last
        transport.write(self._all.no_content if usual else render(answer, self._all.date, close=last))
        self._idle_since = self._all.time()
        if last:
            transport.close()
        elif self._ahead:
            self._pump()

    def _pump(self) -> None:
        """What was sent ahead, one after the other; a loop, since answers may come at once."""
        if self._pumping:
            return
        self._pumping = True
        while self._ahead and not self._busy:
            self._start(*self._ahead.popleft())
        self._pumping = False

    def _refuse(self, answer: Answer) -> None:
        """Answer what is no request, after what was, and end the connection: what follows cannot be told apart."""
        self._all.malformed += answer.status in (400, 413, 431)
        if self._busy or self._ahead or self._transport is None:
            self._last = True
            return
        self._last = True
        self._transport.write(render(answer, self._all.date, close=True))
        self._linger(self._transport)

    def _linger(self, transport: asyncio.Transport) -> None:
        """Closed with something unread the connection is reset, and the client may never see its answer.

        Source: RFC 9112, 9.6
        """
        if self in self._all.open and transport.can_write_eof():
            self._lingers_since = self._all.time()
            transport.write_eof()
        else:
            transport.close()

    def check_time(self, now: float) -> None:
        bounds = self._all.bounds
        if self._busy or self._transport is None:
            return
        if self._lingers_since is not None:
            if now - self._lingers_since > _LINGER_S:
                self._transport.abort()
        elif self._began is not None and now - self._began > bounds.read_timeout:
            self._all.timed_out += 1
            self._refuse(text(408, "the request took too long"))
        elif now - self._idle_since > bounds.idle_timeout:
            self._transport.abort()

    def close_when_answered(self) -> None:
        self._last = True
        if not self._busy and not self._ahead and self._transport is not None:
            self._transport.close()
