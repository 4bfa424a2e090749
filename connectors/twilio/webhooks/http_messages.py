"""A request and an answer as values, and the answer as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

TEXT = "text/plain; charset=utf-8"


class Request(NamedTuple):
    """One whole request. ``target`` is raw, with its query; ``headers``: names in lower case, the last of each."""

    method: str
    target: str
    headers: Mapping[bytes, bytes]
    body: bytes


class Answer(NamedTuple):
    """``headers``: further ones, beside type and length."""

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


Respond = Callable[[Answer], None]
"""Called exactly once for a request, now or later."""
Handler = Callable[[Request, Respond], None]

NO_CONTENT = Answer(204)


def text(status: int, words: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, f"{words}\n".encode(), TEXT, headers)


def busy(words: str) -> Answer:
    """Not taken, and to be tried again."""
    return text(503, words, ("Retry-After", "1"))


_HEADS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in HTTPStatus
    if status.value >= 200
}


def render(answer: Answer, date: bytes, *, close: bool) -> bytes:
    """The answer as it is written; ``date`` is the finished header line."""
    parts = [_HEADS[answer.status], date]
    if answer.status != 204:
        parts.append(f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n".encode())
    parts += [f"{name}: {value}\r\n".encode() for name, value in answer.headers]
    if close:
        parts.append(b"Connection: close\r\n")
    parts += [b"\r\n", answer.body]
    return b"".join(parts)
