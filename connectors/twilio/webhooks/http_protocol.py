"""uvicorn's HTTP/1.1 protocol (httptools, the parser of Node.js) with every resource of a connection bounded.

uvicorn parses requests, runs the application and writes responses. It leaves to a reverse proxy what a public edge
needs: bounds on sizes, on the time a request may take, and on requests sent ahead of their responses. This subclass
holds those. llhttp is strict where two parsers could disagree on where a request ends, which is what request smuggling
lives on; after the first doubtful byte nothing more of the connection is read. Source: RFC 9112, section 11.2
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from math import inf

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

_VERSIONS = ("1.1", "1.0")
_MAX_AHEAD = 64
"""Requests a client may send ahead of their responses; an honest client sends one or two."""
_LINGER_S = 2.0

_quiet = logging.getLogger(f"{__name__}.uvicorn")
_quiet.setLevel(logging.ERROR)  # uvicorn warns once per malformed request; a hostile client must not fill the log


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpBounds:
    """What one connection may use.

    ``max_body``, ``max_line`` (request target, or one header's name and value) in bytes. ``read_timeout`` seconds for
    one whole request, for the TLS handshake, and for a client to take its response; ``idle_timeout`` seconds between
    two requests.
    """

    max_body: int
    max_line: int
    max_headers: int
    read_timeout: float
    idle_timeout: float

    @property
    def max_head(self) -> int:
        """Bytes of request line and headers together, where they arrive in pieces."""
        return 4 * self.max_line


@dataclass(slots=True)
class ProtocolContext:
    """What all connections of one server share.

    ``now`` is in seconds on a clock that never jumps, as of the server's last tick: deadlines are exact to one tick.
    """

    config: Config
    state: ServerState
    bounds: HttpBounds
    counts: Counter[str]
    now: float


class RequestRefused(Exception):
    """Ends a request inside a parser's callback. ``status`` and the text are what is answered."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class BoundedHttpProtocol(HttpToolsProtocol):
    """One client's connection. The future ``lost`` is done when the connection is gone."""

    def __init__(self, context: ProtocolContext) -> None:
        super().__init__(context.config, context.state, {}, asyncio.get_running_loop())
        self.logger = _quiet
        self.context = context
        self.bounds = context.bounds
        self.lost: asyncio.Future[None] = self.loop.create_future()
        self.deadline = inf
        self.in_request = False  # between a request's first byte and its last
        self.answers_late_request = True  # at the deadline: answer 408, or just end the connection
        self.owed = 0  # whole requests whose response is not complete
        self.is_last = False  # nothing more is read from this connection
        self._refusal: RequestRefused | None = None
        self._head_complete = False
        self._piece = 0  # bytes of the piece that is being parsed
        self._first_piece = 0  # bytes of the piece in which the request began
        self._unfinished = 0  # bytes of the request's further pieces
        self._body_length = 0

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Give the client ``read_timeout`` for its first request."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget requests that were not begun."""
        super().connection_lost(exc)
        self.pipeline.clear()
        if not self.lost.done():
            self.lost.set_result(None)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for a bool or None, uvicorn for None
        """The client sends no more. Returns whether the connection stays open for a response that is owed."""
        self.is_last = True
        return self.owed > 0 and self.transport.can_write_eof()

    def data_received(self, data: bytes) -> None:
        """Parse, and bound what the parser holds back of a request that is not whole yet."""
        if self.is_last:
            return
        self._piece = len(data)
        self._unfinished += self._piece
        super().data_received(data)
        if not self.in_request or self.is_last:
            return
        if not self._head_complete and self._unfinished > self.bounds.max_head:
            self._refuse(RequestRefused(431, "the head is too long"))
        elif self._unfinished > self.bounds.max_head + 2 * self.bounds.max_body:
            self._refuse(RequestRefused(413, "the body is too large"))

    def pause_writing(self) -> None:
        """The client does not take its response: it has ``read_timeout`` for it."""
        super().pause_writing()
        self._set_deadline(self.bounds.read_timeout, answer=False)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if not self.is_last:
            self.deadline = inf if self.owed else self.context.now + self.bounds.idle_timeout

    # the parser's callbacks, in this order

    def on_message_begin(self) -> None:
        """Begin a request.

        Raises:
            RequestRefused: The client sent too many requests ahead of their responses.
        """
        if self.is_last or self.owed >= _MAX_AHEAD:
            self.transport.abort()
            raise self._refused(400, "too many requests ahead of their responses")
        super().on_message_begin()
        self.in_request, self._head_complete = True, False
        self._unfinished, self._first_piece, self._body_length = 0, self._piece, 0
        if not self.owed:
            self._await_request()

    def on_headers_complete(self) -> None:
        """Let uvicorn start the application. Raises RequestRefused for a head out of bounds."""
        self._check_head()
        self._head_complete = True
        super().on_headers_complete()
        self.headers = []  # the application has its own list: a trailer must not change what it reads

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body.

        Raises:
            RequestRefused: The body is longer than ``bounds.max_body``.
        """
        self._body_length += len(body)
        if self._body_length > self.bounds.max_body:
            raise self._refused(413, "the body is too large")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: from now on the client waits for us."""
        self.in_request = False
        self.owed += 1
        self.deadline = inf
        super().on_message_complete()

    # uvicorn's callbacks

    def on_response_complete(self) -> None:
        """Go on to the next request, or end the connection after the last response."""
        self.owed -= 1
        if self.is_last and not self.owed:
            self.transport.close()
        elif self.in_request and not self.owed:
            self._await_request()
        elif not self.owed:
            self._set_deadline(self.bounds.idle_timeout, answer=False)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """The parser, or a callback here, refuses the request."""
        self._refuse(self._refusal or RequestRefused(400, msg))

    def shutdown(self) -> None:
        """End the connection after the responses that are owed; a request that is not whole is dropped."""
        self.is_last = True
        if not self.owed:
            self.transport.close()
        elif self.owed == 1 and not self.in_request:
            self.cycle.keep_alive = False  # the response says ``Connection: close``

    # bounds

    def check_time(self) -> None:
        """End the connection if its deadline has passed. Called by the server's tick."""
        if self.context.now <= self.deadline:
            return
        if self.answers_late_request:
            self.context.counts["timed_out"] += 1
            self._refuse(RequestRefused(408, "the request took too long"))
        else:
            self.transport.abort()

    def _await_request(self) -> None:
        self._set_deadline(self.bounds.read_timeout, answer=True)

    def _set_deadline(self, seconds: float, *, answer: bool) -> None:
        self.deadline = self.context.now + seconds
        self.answers_late_request = answer

    def _check_head(self) -> None:
        """Raises RequestRefused. The head is parsed whole: `data_received` bounds what that can hold."""
        bounds, headers, version = self.bounds, self.headers, self.parser.get_http_version()
        head_at_most = self._first_piece + self._unfinished
        if head_at_most > bounds.max_line and self._longest_line() > bounds.max_line:
            raise self._refused(431, "a line or header is too long")
        if len(headers) > bounds.max_headers:
            raise self._refused(400, "too many headers")
        names = dict(headers)
        if version not in _VERSIONS or (b"host" not in names and version == "1.1"):
            raise self._refused(400, "not HTTP/1.1, or no host")
        if self.parser.should_upgrade():
            raise self._refused(400, "no other protocol is spoken here")
        if int(names.get(b"content-length", 0)) > bounds.max_body:
            raise self._refused(413, "the body is too large")

    def _longest_line(self) -> int:
        return max(len(self.url), *map(len, map(b"".join, self.headers)))

    def _refused(self, status: int, words: str) -> RequestRefused:
        """The error to raise in a parser's callback; remembered, since the parser hands on only that there was one."""
        self._refusal = RequestRefused(status, words)
        return self._refusal

    def _refuse(self, refusal: RequestRefused) -> None:
        """Answer what is no request and read nothing more: where the next request would start is in doubt.

        Responses owed to earlier requests are sent first; then the connection ends without this one.
        """
        self.is_last = True
        self.context.counts["malformed"] += refusal.status != 408
        if self.owed or self.transport.is_closing():
            return
        self._drop_request()
        self.transport.write(_render(refusal, self.server_state.default_headers))
        self._linger()

    def _drop_request(self) -> None:
        """Wake the application that waits for the rest of the body: there is none."""
        self.in_request = False
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _linger(self) -> None:
        """Let the client read the refusal before the connection ends: closing on unread input resets it.

        Source: RFC 9112, section 9.6
        """
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._set_deadline(_LINGER_S, answer=False)
        else:
            self.transport.close()


def _render(refusal: RequestRefused, headers: list[tuple[bytes, bytes]]) -> bytes:
    body = f"{refusal}\n".encode()
    lines = [STATUS_LINE[refusal.status]]
    lines += [b"%s: %s\r\n" % header for header in headers]
    lines.append(b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(body))
    return b"".join([*lines, b"connection: close\r\n\r\n", body])
