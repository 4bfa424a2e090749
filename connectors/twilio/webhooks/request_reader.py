"""Bytes → whole HTTP/1.1 requests, by httptools (llhttp, the parser of Node.js), with everything bounded.

llhttp is strict where two parsers could disagree on where a request ends: that is what request smuggling lives of. What
it leaves to its user is checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from connectors.twilio.webhooks.http_messages import Answer, Request, text

_VERSIONS = ("1.1", "1.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """``read_timeout`` seconds for one whole request, ``idle_timeout`` between two; sizes in bytes."""

    max_bytes: int
    max_line: int
    max_headers: int
    max_connections: int
    read_timeout: float
    idle_timeout: float

    @property
    def max_head(self) -> int:
        """Of all lines together, where they come in pieces."""
        return 4 * self.max_line


class RequestReader:
    """Reads the requests of one connection.

    ``take`` gets each whole request, and whether it is the last one; ``refuse`` gets the answer to what is no request,
    and after that neither is called again: what follows cannot be told apart.
    """

    __slots__ = (
        "_body",
        "_bounds",
        "_headers",
        "_in_body",
        "_length",
        "_lines",
        "_parser",
        "_refuse",
        "_refused",
        "_take",
        "_target",
        "_unfinished",
        "asked",
        "partway",
    )

    def __init__(self, bounds: Bounds, take: Callable[[Request, bool], None], refuse: Callable[[Answer], None]) -> None:
        self._bounds = bounds
        self._take = take
        self._refuse = refuse
        self._refused = False
        self._parser = HttpRequestParser(self)
        self._reset()
        self.partway = self.asked = False

    def feed(self, data: bytes) -> None:
        """Read on. ``partway`` says whether a request is under way then, ``asked`` whether it waits for a 100."""
        unfinished = self._unfinished if self.partway else -1
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._end(text(400, "no other protocol is spoken here"))
        except HttpParserCallbackError:  # a bug of ours, not theirs
            raise
        except HttpParserError:
            self._end(text(400, "not HTTP"))
        else:
            if self.partway and unfinished == self._unfinished:
                self._grow(len(data))

    def close(self) -> None:
        """Read nothing more, and let go of the parser, which holds on to us."""
        self._refused = True
        del self._parser

    def _grow(self, size: int) -> None:
        """Another piece, and the same request is still not whole: what the parser holds back is bounded too."""
        self._unfinished += size
        if not self._in_body and self._unfinished > self._bounds.max_head:
            self._end(text(431, "the head is too long"))
        elif self._unfinished > self._bounds.max_head + 2 * self._bounds.max_bytes:
            self._end(text(413, "the body is too large"))

    def _end(self, answer: Answer) -> None:
        if not self._refused:
            self._refused = True
            self.partway = False
            self._refuse(answer)

    # What the parser calls, in this order.

    def on_message_begin(self) -> None:
        self._reset()
        self.partway = True

    def _reset(self) -> None:
        self._target = b""
        self._lines: list[tuple[bytes, bytes]] = []
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._length = 0
        self._in_body = False
        self._unfinished = 0

    def on_url(self, part: bytes) -> None:
        self._target += part
        if len(self._target) > self._bounds.max_line:
            self._end(text(431, "a line or header is too long"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) + len(value) > self._bounds.max_line:
            self._end(text(431, "a line or header is too long"))
        elif not self._in_body:  # a trailer says nothing we would listen to
            self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._headers = headers = dict(self._lines)
        self._in_body = True
        version = self._parser.get_http_version()
        if len(self._lines) > self._bounds.max_headers:
            self._end(text(400, "too many headers"))
        elif version not in _VERSIONS or (b"host" not in headers and version == "1.1"):
            self._end(text(400, "not HTTP/1.1, or no host"))
        elif int(headers.get(b"content-length", 0)) > self._bounds.max_bytes:
            self._end(text(413, "the body is too large"))
        self.asked = b"expect" in headers

    def on_body(self, part: bytes) -> None:
        self._body.append(part)
        self._length += len(part)
        if self._length > self._bounds.max_bytes:
            self._end(text(413, "the body is too large"))

    def on_message_complete(self) -> None:
        self.partway = self.asked = False
        parser = self._parser
        if self._refused or parser.should_upgrade():
            return
        request = Request(parser.get_method().decode(), self._target.decode(), self._headers, b"".join(self._body))
        self._take(request, not parser.should_keep_alive())
