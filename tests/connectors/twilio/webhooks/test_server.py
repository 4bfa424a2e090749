"""Who gets a connection, with and without TLS, and how the server ends."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.twilio.webhooks.server import ConnectionLimit, WebhookServer
from tests.connectors.twilio.webhooks.test_http_protocol import BOUNDS, GET, POST, Site, all_of, client, wait_for
from tests.connectors.twilio.webhooks.test_ingester_spooled import self_signed

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")


@asynccontextmanager
async def limited(
    total: int, per_address: int, tls: ssl.SSLContext | None = None, read_timeout: float = 30
) -> AsyncIterator[tuple[WebhookServer, int]]:
    bounds = replace(BOUNDS, read_timeout=read_timeout)
    server = WebhookServer(Site(), bounds, ConnectionLimit(total, per_address), tls)
    port = await server.start("127.0.0.1", 0)
    try:
        yield server, port
    finally:
        await server.stop(0.05)


@pytest.mark.parametrize(("total", "per_address", "limit"), [(1, 5, "total"), (5, 1, "address")])
async def test_more_connections_than_allowed_are_told_to_come_again(total: int, per_address: int, limit: str) -> None:
    async with limited(total, per_address) as (server, port):
        async with client(port):
            await wait_for(lambda: server.connections)
            async with client(port) as (reader, _):
                answer = await all_of(reader)
        await wait_for(lambda: not server.limit.open)
        async with client(port) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"1\n")

        assert server.counts[f"refused_{limit}"] == 1
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    head, body = answer.split(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(body) in head


def test_an_address_whose_connections_are_gone_is_forgotten() -> None:
    limit = ConnectionLimit(2, 1)
    with limit.place("a"), limit.place("b"):
        assert limit.refusal("c") == "total"
    with limit.place("a"):
        assert (limit.refusal("a"), limit.refusal("b")) == ("address", None)

    assert (limit.open, dict(limit._open)) == (0, {})


def server_tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    cert, key = self_signed(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context, ssl.create_default_context(cafile=str(cert))


@needs_openssl
async def test_a_client_in_its_tls_handshake_has_a_place_and_a_time_to_finish(tmp_path: Path) -> None:
    tls, trusting = server_tls(tmp_path)
    async with limited(1, 1, tls, read_timeout=0.3) as (server, port):
        async with client(port):  # never says hello
            await wait_for(lambda: server.limit.open == 1)
            async with client(port) as (reader, _):
                assert await all_of(reader) == b""
            assert (server.counts["refused_total"], server.connections) == (1, [])
            await wait_for(lambda: not server.limit.open)
        assert server.counts["tls_failed"] == 1
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.write(GET)
        assert (await reader.readuntil(b"1\n")).startswith(b"HTTP/1.1 200 ")
        assert server.limit.open == 1
        writer.close()
        await wait_for(lambda: not server.limit.open)


@needs_openssl
async def test_no_tls_is_no_handshake(tmp_path: Path) -> None:
    async with limited(5, 5, server_tls(tmp_path)[0]) as (server, port), client(port) as (reader, writer):
        writer.write(GET)
        assert b"HTTP" not in await all_of(reader)
        await wait_for(lambda: server.counts["tls_failed"] == 1)


async def test_the_end_answers_what_is_in_flight_and_drops_what_is_not_whole() -> None:
    site = Site()
    site.waits = True
    server = WebhookServer(site, BOUNDS, ConnectionLimit(9, 9))
    port = await server.start("127.0.0.1", 0)
    async with client(port) as (flying, one), client(port) as (half, two), client(port) as (idle, _):
        one.write(POST)
        two.write(POST[:-1])
        await wait_for(lambda: site.waiting and len(server.connections) == 3)
        await asyncio.sleep(0.01)
        ending = asyncio.create_task(server.stop(5))
        assert (await all_of(idle), await all_of(half)) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        site.waiting.pop().set_result(b"in flight")
        answer = await all_of(flying)
        await ending

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert answer.endswith(b"in flight\n")


async def test_the_end_does_not_wait_for_ever() -> None:
    site = Site()
    site.waits = True
    server = WebhookServer(site, BOUNDS, ConnectionLimit(9, 9))
    port = await server.start("127.0.0.1", 0)
    async with client(port) as (reader, writer):
        writer.write(POST)
        await wait_for(lambda: site.waiting)
        await server.stop(0.02)
        assert await all_of(reader) == b""


async def test_a_name_of_many_addresses_is_served_on_one_port() -> None:
    server = WebhookServer(Site(), BOUNDS, ConnectionLimit(9, 9))
    port = await server.start("localhost", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    assert await reader.readuntil(b"1\n")
    writer.close()
    await server.stop(1)
