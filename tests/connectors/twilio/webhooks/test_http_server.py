"""HTTP as raw bytes: what honest, slow, greedy and devious clients get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from connectors.clock import ManualClock
from connectors.twilio.webhooks.http_messages import Answer, Handler, Request, Respond, text
from connectors.twilio.webhooks.http_server import Connections
from connectors.twilio.webhooks.request_reader import Bounds
from tests.builders import seconds

BOUNDS = Bounds(max_bytes=1000, max_line=500, max_headers=10, max_connections=5, read_timeout=30, idle_timeout=60)
POST = b"POST /x?y=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Site:
    """Keeps every request it was given; answers at once unless told to wait."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.waiting: list[Respond] = []
        self.waits = False

    def handle(self, request: Request, respond: Respond) -> None:
        self.requests.append(request)
        if self.waits:
            self.waiting.append(respond)
        else:
            respond(text(200, f"{len(self.requests)}"))


@asynccontextmanager
async def listening(
    handler: Handler, bounds: Bounds = BOUNDS, clock: ManualClock | None = None
) -> AsyncIterator[tuple[Connections, int]]:
    connections = Connections(handler, bounds, (clock or ManualClock()).elapsed)
    server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
    try:
        yield connections, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        connections.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def client(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def all_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.read()


async def answers_to(data: bytes, site: Site | None = None) -> bytes:
    """What comes back until the server ends the connection, or we do after the last request."""
    return await answers_to_handler((site or Site()).handle, data)


async def test_a_request_is_handled_whole() -> None:
    site = Site()
    answer = await answers_to(POST, site)

    (request,) = site.requests
    assert (request.method, request.target, request.body) == ("POST", "/x?y=1", b"abc")
    assert request.headers[b"host"] == b"h"
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert answer.endswith(b"Content-Length: 2\r\n\r\n1\n")


@pytest.mark.parametrize("size", [1, 7, 50])
async def test_pieces_make_a_request(size: int) -> None:
    site = Site()
    async with listening(site.handle) as (_, port), client(port) as (reader, writer):
        for start in range(0, len(POST), size):
            writer.write(POST[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.readuntil(b"1\n")

    assert site.requests[0].body == b"abc"


async def test_a_chunked_body_is_put_together() -> None:
    site = Site()
    head = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    await answers_to(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", site)

    assert [request.body for request in site.requests] == [b"abc"]


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    site = Site()
    site.waits = True
    async with listening(site.handle) as (_, port), client(port) as (reader, writer):
        writer.write(GET * 3)
        for word in ("one", "two", "three"):
            await wait_for(lambda: site.waiting)
            assert len(site.waiting) == 1
            site.waiting.pop()(text(200, word))
            await reader.readuntil(word.encode())

    assert len(site.requests) == 3


async def test_a_client_that_is_done_sending_still_gets_its_answer() -> None:
    site = Site()
    site.waits = True
    async with listening(site.handle) as (connections, port), client(port) as (reader, writer):
        writer.write(GET)
        writer.write_eof()
        await wait_for(lambda: site.waiting and not reading(connections))
        site.waiting.pop()(text(200, "late"))
        assert (await all_of(reader)).endswith(b"late\n")


def reading(connections: Connections) -> bool:
    return any(not connection._last for connection in connections.open)


async def test_whoever_sends_far_ahead_is_cut_off() -> None:
    site = Site()
    site.waits = True
    async with listening(site.handle) as (connections, port), client(port) as (reader, writer):
        writer.write(GET * 1000)
        assert await all_of(reader) == b""
        assert not connections.open

    assert len(site.requests) == 1


async def test_many_requests_answered_at_once_are_no_recursion() -> None:
    assert (await answers_to(GET * 2000)).count(b"HTTP/1.1 200") == 2000


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: h\r\n\r\n", 400),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET /" + b"a" * 600 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 600 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 20 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X" * 600 + b": a\r\n\r\n", 431),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\nabc", 413),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n",
            413,
        ),
    ],
)
async def test_what_is_no_honest_request_is_refused_and_nothing_after_it_is_read(data: bytes, status: int) -> None:
    """Request smuggling lives of two parsers that disagree where a request ends: then there is no next one."""
    site = Site()
    answer = await answers_to(data + GET, site)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer
    assert (answer.count(b"HTTP/1.1 "), site.requests) == (1, [])


async def test_a_truncated_request_is_never_handled() -> None:
    site = Site()
    for end in range(len(POST)):
        assert await answers_to(POST[:end], site) == b""

    assert site.requests == []


async def test_connection_close_and_old_clients_are_let_go() -> None:
    assert b"Connection: close" in await answers_to(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert b"Connection: close" in await answers_to(b"GET / HTTP/1.0\r\n\r\n")


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async with listening(Site().handle) as (_, port), client(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"


async def wait_for(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", POST[:-1]], ids=["nothing", "half a head", "half a body"])
async def test_whoever_takes_too_long_is_told_so(sent: bytes) -> None:
    clock = ManualClock()
    async with listening(Site().handle, clock=clock) as (connections, port), client(port) as (reader, writer):
        writer.write(sent)
        await wait_for(lambda: connections.open)
        clock.advance(seconds(29))
        writer.write(b"")
        connections.tick()
        assert connections.timed_out == 0
        clock.advance(seconds(2))
        connections.tick()
        assert (await all_of(reader)).startswith(b"HTTP/1.1 408 ")
        assert connections.timed_out == 1


async def test_a_connection_without_a_next_request_is_closed_and_one_that_waits_for_us_is_not() -> None:
    site, clock = Site(), ManualClock()
    async with listening(site.handle, clock=clock) as (connections, port), client(port) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"1\n")
        site.waits = True
        clock.advance(seconds(59))
        connections.tick()
        writer.write(GET)
        await wait_for(lambda: site.waiting)
        clock.advance(seconds(500))
        connections.tick()
        site.waiting.pop()(Answer(204))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
        clock.advance(seconds(61))
        connections.tick()
        assert await all_of(reader) == b""


async def test_one_that_never_goes_after_its_refusal_is_cut_off() -> None:
    clock = ManualClock()
    async with listening(Site().handle, clock=clock) as (connections, port), client(port) as (reader, writer):
        writer.write(b"nonsense\r\n\r\n")
        assert b" 400 " in await all_of(reader)
        assert len(connections.open) == 1
        clock.advance(seconds(3))
        connections.tick()
        await wait_for(lambda: not connections.open)


async def test_more_connections_than_allowed_are_told_to_come_again() -> None:
    async with listening(Site().handle, replace(BOUNDS, max_connections=1)) as (connections, port):
        async with client(port):
            await wait_for(lambda: connections.open)
            async with client(port) as (reader, _):
                answer = await all_of(reader)
        await wait_for(lambda: not connections.open)
        async with client(port) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"1\n")

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in answer


async def test_a_client_that_does_not_read_does_not_fill_our_memory() -> None:
    def handle(_: Request, respond: Respond) -> None:
        respond(Answer(200, b"x" * 100_000))

    clock = ManualClock()
    async with listening(handle, clock=clock) as (connections, port), client(port) as (_, writer):
        (transport,) = await started(connections)
        writer.write(GET * 50)
        await wait_for(lambda: not transport.is_reading())
        written = transport.get_write_buffer_size()
        assert written < 50 * 100_100
        clock.advance(seconds(61))
        connections.tick()
        await wait_for(lambda: not connections.open)


async def started(connections: Connections) -> list[asyncio.Transport]:
    await wait_for(lambda: connections.open)
    return [connection._transport for connection in connections.open if connection._transport is not None]


async def test_a_bug_is_a_500_and_the_connection_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    def handle(request: Request, respond: Respond) -> None:
        if request.method == "POST":
            raise RuntimeError("a bug")
        respond(Answer(204))

    answer = await answers_to_handler(handle, POST + GET)
    assert (answer.count(b"HTTP/1.1 500 "), answer.count(b"HTTP/1.1 204 ")) == (1, 1)


async def answers_to_handler(handle: Handler, data: bytes) -> bytes:
    async with listening(handle) as (_, port), client(port) as (reader, writer):
        writer.write(data)
        writer.write_eof()
        return await all_of(reader)
