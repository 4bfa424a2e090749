"""The SDK's HTTP client, made to say what is certain of a call.

The SDK's own asynchronous client (9.13) ignores its time-out, repeats a POST on 5xx when asked to retry, and drops the
answer's headers from errors. This one ends every call in time, writes a request at most once, follows no redirect,
and knows whether a byte was written: that alone decides between `NotSent` and `NoAnswer`, whatever the error's type.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from urllib.parse import urlencode

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from yarl import URL

from connectors.twilio.errors import NoAnswer, NotSent

Check = Callable[[], str | None]
KEEP_ALIVE_S = 10.0
"""An idle connection is dropped before the other side does so: a request written into that moment is `unknown`."""


class PendingCall:
    """One call as the transport sees it: what must be asked before it is written, and what came of it."""

    __slots__ = ("check", "headers", "status", "written")

    def __init__(self, check: Check = lambda: None) -> None:
        self.check = check
        self.written = False
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}


_CALL: ContextVar[PendingCall | None] = ContextVar("smsflow_twilio_call", default=None)


@contextmanager
def calling(call: PendingCall) -> Iterator[PendingCall]:
    """The SDK calls made inside are this one: the SDK itself hands nothing through to its HTTP client."""
    token = _CALL.set(call)
    try:
        yield call
    finally:
        _CALL.reset(token)


class GatedRequest(aiohttp.ClientRequest):
    """Asks the call's check at the last moment: the head is buffered and goes out with the body's first byte."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send the head; the call's check is asked when the body is written."""
        call = _CALL.get()
        if call is not None and not self._body:
            call.written = True  # without a body there is nothing to gate: reading may be repeated
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Write the body, unless the call's check objects. Nothing waits between the check and the write."""
        call = _CALL.get()
        if call is not None and (refused := _refusal(call, conn)) is not None:
            assert conn.protocol is not None
            conn.protocol.set_exception(refused)  # wakes the reader, which closes the connection and raises it
            return
        await super().write_bytes(writer, conn, content_length)


def _refusal(call: PendingCall, conn: Connection) -> NotSent | None:
    transport = conn.transport
    if transport is None or transport.is_closing():
        return NotSent("connection_lost", "closed before the request was written")
    reason = call.check()
    if reason is not None:
        return NotSent(reason)
    call.written = True
    return None


class Transport(AsyncHttpClient):  # type: ignore[misc]  # the SDK is not typed
    """One pool of connections. Times in seconds: ``timeout`` for a whole call, ``connect_timeout`` to get a connection.

    Build it anywhere; the pool belongs to the loop of the first call. Close it when done.
    """

    def __init__(
        self,
        *,
        timeout: float = 10.0,
        connect_timeout: float = 3.0,
        connections: int = 100,
        keep_alive: float = KEEP_ALIVE_S,
    ) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True, timeout=timeout)
        # ceil_threshold: aiohttp rounds longer time-outs up to whole seconds unless told otherwise.
        self._limits = aiohttp.ClientTimeout(total=timeout, connect=connect_timeout, ceil_threshold=timeout + 1)
        self._connections = connections
        self._keep_alive = keep_alive
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002  the SDK's argument; it always passes None
        allow_redirects: bool = False,  # noqa: ARG002, FBT001, FBT002  the SDK's signature; none is followed
    ) -> Response:
        """Make one call, as the SDK's clients ask for it.

        Raises:
            NotSent: No byte of the request was written.
            NoAnswer: The request was written, at least in part, and no answer came.
        """
        call = _CALL.get()
        if call is None:
            with calling(PendingCall()):
                return await self.request(method, uri, params, data, headers, auth)
        try:
            return await self._exchange(call, method, uri, params, data, _with_auth(headers, auth))
        except (TimeoutError, aiohttp.ClientError, OSError, UnicodeError) as error:
            raise _failure(call, error) from error

    async def _exchange(
        self,
        call: PendingCall,
        method: str,
        uri: str,
        params: Mapping[str, object] | None,
        data: Mapping[str, object] | None,
        headers: dict[str, str],
    ) -> Response:
        answer = await self._pool().request(
            method,
            _url(uri),
            params=_strings(params),
            data=urlencode(data, doseq=True).encode() if data else None,
            headers=headers,
            allow_redirects=False,
        )
        async with answer:
            text = (await answer.read()).decode("utf-8", "replace")  # broken text is the parser's to refuse
        call.status, call.headers = answer.status, answer.headers
        return Response(answer.status, text, answer.headers)

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=self._keep_alive),
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=GatedRequest,
                timeout=self._limits,
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _failure(call: PendingCall, error: Exception) -> NotSent | NoAnswer:
    """Named by whether a byte was written, not by what broke."""
    late = isinstance(error, asyncio.TimeoutError)
    detail = str(error) or type(error).__name__
    if call.written:
        return NoAnswer("timeout" if late else "connection_lost", detail)
    return NotSent("connect_timeout" if late else "twilio_unreachable", detail)


def _with_auth(headers: dict[str, str] | None, auth: tuple[str, str] | None) -> dict[str, str]:
    headers = headers or {}
    if auth is not None:
        headers["Authorization"] = _authorization(*auth)
    return headers


def _strings(params: Mapping[str, object] | None) -> dict[str, str] | None:
    return {name: str(value) for name, value in params.items()} if params else None


@lru_cache(maxsize=8)
def _authorization(user: str, password: str) -> str:
    return aiohttp.encode_basic_auth(user, password)


@lru_cache(maxsize=64)
def _url(uri: str) -> URL:
    return URL(uri)
