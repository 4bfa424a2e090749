"""HTTP as raw bytes: what honest, slow, greedy and devious clients get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from connectors.clock import ManualClock
from connectors.twilio.webhooks.app import Receive, Send
from connectors.twilio.webhooks.http_protocol import HttpBounds
from connectors.twilio.webhooks.server import ConnectionLimit, WebhookServer
from tests.builders import seconds

BOUNDS = HttpBounds(max_body=1000, max_line=500, max_headers=10, read_timeout=30, idle_timeout=60)
POST = b"POST /x?y=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Seen(NamedTuple):
    """One request as the application got it, whole."""

    method: str
    target: str
    headers: dict[bytes, bytes]
    body: bytes


class Site:
    """An application that remembers every request; answers at once unless told to wait."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.requests: list[Seen] = []
        self.waiting: list[asyncio.Future[bytes]] = []
        self.waits = False
        self.answer = answer

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        else:
            return
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        self.requests.append(Seen(scope["method"], target.decode(), dict(scope["headers"]), body))
        text = await self._answer()
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    async def _answer(self) -> bytes:
        if not self.waits:
            return self.answer or b"%d\n" % len(self.requests)
        self.waiting.append(asyncio.get_running_loop().create_future())
        return await self.waiting[-1] + b"\n"


@asynccontextmanager
async def listening(
    site: Site, bounds: HttpBounds = BOUNDS, clock: ManualClock | None = None
) -> AsyncIterator[tuple[WebhookServer, int]]:
    server = WebhookServer(site, bounds, ConnectionLimit(5, 5), clock=(clock or ManualClock()).elapsed)
    port = await server.start("127.0.0.1", 0)
    try:
        yield server, port
    finally:
        await server.stop(0.05)


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
    async with listening(site or Site()) as (_, port), client(port) as (reader, writer):
        writer.write(data)
        writer.write_eof()
        return await all_of(reader)


async def test_a_request_is_handled_whole() -> None:
    site = Site()
    answer = await answers_to(POST, site)

    (request,) = site.requests
    assert (request.method, request.target, request.body) == ("POST", "/x?y=1", b"abc")
    assert request.headers[b"host"] == b"h"
    assert answer.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert answer.endswith(b"content-length: 2\r\n\r\n1\n")


@pytest.mark.parametrize("size", [1, 7, 50])
async def test_pieces_make_a_request(size: int) -> None:
    site = Site()
    async with listening(site) as (_, port), client(port) as (reader, writer):
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
    async with listening(site) as (_, port), client(port) as (reader, writer):
        writer.write(GET * 3)
        for word in (b"one", b"two", b"three"):
            await wait_for(lambda: site.waiting)
            assert len(site.waiting) == 1
            site.waiting.pop().set_result(word)
            await reader.readuntil(word)

    assert len(site.requests) == 3


async def test_a_client_that_is_done_sending_still_gets_its_answer() -> None:
    site = Site()
    site.waits = True
    async with listening(site) as (server, port), client(port) as (reader, writer):
        writer.write(GET)
        writer.write_eof()
        await wait_for(lambda: site.waiting and not reading(server))
        site.waiting.pop().set_result(b"late")
        assert (await all_of(reader)).endswith(b"late\n")


def reading(server: WebhookServer) -> bool:
    return any(not connection.is_last for connection in server.connections)


async def test_whoever_sends_far_ahead_is_cut_off() -> None:
    site = Site()
    site.waits = True
    async with listening(site) as (server, port), client(port) as (reader, writer):
        writer.write(GET * 1000)
        assert await all_of(reader) == b""
        await wait_for(lambda: not server.limit.open)

    assert len(site.requests) == 1


async def test_requests_sent_a_little_ahead_are_all_answered() -> None:
    assert (await answers_to(GET * 60)).count(b"HTTP/1.1 200") == 60


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
    assert b"connection: close" in answer
    assert (answer.count(b"HTTP/1.1 "), site.requests) == (1, [])


async def test_a_truncated_request_is_never_handled() -> None:
    site = Site()
    for end in range(len(POST)):
        assert await answers_to(POST[:end], site) == b""

    assert site.requests == []


async def test_connection_close_and_old_clients_are_let_go() -> None:
    assert b"connection: close" in await answers_to(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert b"connection: close" in await answers_to(b"GET / HTTP/1.0\r\n\r\n")


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async with listening(Site()) as (_, port), client(port) as (reader, writer):
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
    async with listening(Site(), clock=clock) as (server, port), client(port) as (reader, writer):
        writer.write(sent)
        await wait_for(lambda: server.connections)
        clock.advance(seconds(29))
        writer.write(b"")
        server.tick()
        assert server.counts["timed_out"] == 0
        clock.advance(seconds(2))
        server.tick()
        assert (await all_of(reader)).startswith(b"HTTP/1.1 408 ")
        assert server.counts["timed_out"] == 1


async def test_a_connection_without_a_next_request_is_closed_and_one_that_waits_for_us_is_not() -> None:
    site, clock = Site(), ManualClock()
    async with listening(site, clock=clock) as (server, port), client(port) as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"1\n")
        site.waits = True
        clock.advance(seconds(59))
        server.tick()
        writer.write(GET)
        await wait_for(lambda: site.waiting)
        clock.advance(seconds(500))
        server.tick()
        site.waiting.pop().set_result(b"late")
        assert (await reader.readuntil(b"late\n")).startswith(b"HTTP/1.1 200 ")
        clock.advance(seconds(61))
        server.tick()
        assert await all_of(reader) == b""


async def test_one_that_never_goes_after_its_refusal_is_cut_off() -> None:
    clock = ManualClock()
    async with listening(Site(), clock=clock) as (server, port), client(port) as (reader, writer):
        writer.write(b"nonsense\r\n\r\n")
        assert b" 400 " in await all_of(reader)
        assert len(server.connections) == 1
        clock.advance(seconds(3))
        server.tick()
        await wait_for(lambda: not server.limit.open)


async def test_a_client_that_does_not_read_does_not_fill_our_memory() -> None:
    clock = ManualClock()
    async with listening(Site(b"x" * 100_000), clock=clock) as (server, port), client(port) as (_, writer):
        await wait_for(lambda: server.connections)
        transport = server.connections[0].transport
        writer.write(GET * 50)
        await wait_for(lambda: server.connections[0].flow.write_paused)
        assert transport.get_write_buffer_size() < 50 * 100_100
        clock.advance(seconds(61))
        server.tick()
        await wait_for(lambda: not server.limit.open)


async def test_a_trailer_does_not_change_a_header() -> None:
    site = Site()
    head = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    await answers_to(head + b"0\r\nHost: other\r\n\r\n", site)

    assert [request.headers[b"host"] for request in site.requests] == [b"h"]


async def test_a_refused_request_behind_a_good_one_does_not_take_its_answer() -> None:
    site = Site()
    site.waits = True
    async with listening(site) as (server, port), client(port) as (reader, writer):
        writer.write(GET + b"nonsense\r\n\r\n")
        await wait_for(lambda: site.waiting and not reading(server))
        site.waiting.pop().set_result(b"good")
        answer = await all_of(reader)

    assert (answer.count(b"HTTP/1.1 "), answer[-5:]) == (1, b"good\n")


@pytest.mark.parametrize(
    "ahead", [b"", POST[:-1], POST[:-1] + b"c" + POST[:-1]], ids=["alone", "half a body", "behind another"]
)
async def test_blank_lines_and_trickled_bytes_do_not_buy_time(ahead: bytes) -> None:
    """Each byte is within the time-out of the one before; the whole is not."""
    clock = ManualClock()
    async with listening(Site(), clock=clock) as (server, port), client(port) as (reader, writer):
        writer.write(ahead)
        await wait_for(lambda: server.connections)
        for _ in range(4):
            if not ahead:
                writer.write(b"\r\n")
                await writer.drain()
            await asyncio.sleep(0.005)
            clock.advance(seconds(10))
            server.tick()
        assert b"HTTP/1.1 408 " in await all_of(reader)


async def test_the_parser_holds_back_only_so_much() -> None:
    """A header without end, and chunk extensions without end, in pieces that no callback sees."""
    chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;x="
    for head, status in ((b"GET / HTTP/1.1\r\nX: ", b"431"), (chunked, b"413")):
        async with listening(Site()) as (_, port), client(port) as (reader, writer):
            writer.write(head)
            reading = asyncio.create_task(all_of(reader))
            for _ in range(100):
                if not reading.done():
                    writer.write(b"a" * 100)
                    await asyncio.sleep(0.001)
            assert (await reading).startswith(b"HTTP/1.1 " + status)
