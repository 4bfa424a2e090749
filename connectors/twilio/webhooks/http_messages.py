"""One webhook request and its response as values, independent of the HTTP server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

PLAIN_TEXT = "text/plain; charset=utf-8"


class HttpRequest(NamedTuple):
    """One whole request.

    ``target`` is the path and query as sent, not decoded: the signature covers these bytes. ``headers`` maps names in
    lower case to values; of a repeated header the last value counts.
    """

    method: str
    target: str
    headers: Mapping[bytes, bytes]
    body: bytes


class HttpResponse(NamedTuple):
    """A response. ``headers`` are those beside content type and length."""

    status: int
    body: bytes = b""
    content_type: str = PLAIN_TEXT
    headers: tuple[tuple[bytes, bytes], ...] = ()


NO_CONTENT = HttpResponse(204)


def text_response(status: int, words: str, *headers: tuple[bytes, bytes]) -> HttpResponse:
    """A response of one line of plain text."""
    return HttpResponse(status, f"{words}\n".encode(), PLAIN_TEXT, headers)


def busy_response(words: str) -> HttpResponse:
    """A 503 that asks the client to repeat the request after a second."""
    return text_response(503, words, (b"retry-after", b"1"))


def method_not_allowed(allowed: bytes) -> HttpResponse:
    """A 405 that names the one method the path knows."""
    return HttpResponse(405, headers=((b"allow", allowed),))
