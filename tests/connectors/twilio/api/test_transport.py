"""What is certain of a call, against a peer that does its worst."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from connectors.twilio.api.transport import PendingCall, Transport, calling
from connectors.twilio.errors import CallError, NoAnswer, NotSent
from tests.connectors.twilio.api.peer import (
    CREATED,
    Act,
    answer,
    close_after_request,
    cut_answer,
    dribble,
    hang,
    listening,
    reset_after_first_byte,
    say_nothing,
    speak_first,
    unused_port,
)

FORM = {"To": "+12125550100", "Body": "hé & co", "MediaUrl": ["https://a.example/1", "https://a.example/2"]}


async def post(url: str, call: PendingCall | None = None, **limits: Any) -> Any:
    transport = Transport(**{"timeout": 2.0, "connect_timeout": 1.0, **limits})
    try:
        with calling(call or PendingCall()):
            return await transport.request("POST", f"{url}/x", data=FORM, auth=("AC1", "secret"))
    finally:
        await transport.close()


async def test_a_request_arrives_as_a_form_with_credentials() -> None:
    async with listening(answer()) as peer:
        response = await post(peer.url)

    assert (response.status_code, response.text) == (201, CREATED.decode())
    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    assert b"Authorization: Basic QUMxOnNlY3JldA==" in head
    assert body == (
        b"To=%2B12125550100&Body=h%C3%A9+%26+co&MediaUrl=https%3A%2F%2Fa.example%2F1&MediaUrl=https%3A%2F%2Fa.example%2F2"
    )


async def test_the_headers_the_sdk_drops_are_kept() -> None:
    call = PendingCall()
    headers = "Retry-After: 7\r\nTwilio-Request-Id: RQ1\r\n"
    async with listening(answer("429 Too Many Requests", b"{}", headers)) as peer:
        await post(peer.url, call)

    assert (call.status, call.headers["retry-after"], call.headers["Twilio-Request-Id"]) == (429, "7", "RQ1")


async def test_no_redirect_is_followed() -> None:
    async with listening(answer("307 Moved", b"", "Location: /elsewhere\r\n"), answer()) as peer:
        response = await post(peer.url)

    assert (response.status_code, len(peer.requests)) == (307, 1)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}", "http://" + "a" * 64 + ".example"], ids=["refused", "unresolvable"]
)
async def test_who_cannot_be_reached_was_sent_nothing(url: str) -> None:
    call = PendingCall(check=lambda: pytest.fail("there is no connection to ask about"))

    with pytest.raises(NotSent) as caught:
        await post(url.format(port=unused_port()), call)

    assert (caught.value.reason, call.written) == ("twilio_unreachable", False)


async def test_a_peer_that_speaks_no_tls_was_sent_nothing() -> None:
    async with listening(speak_first) as peer:
        with pytest.raises(NotSent, match="unreachable"):
            await post(peer.url.replace("http:", "https:"))


async def test_waiting_for_a_connection_ends_in_time_and_nothing_was_sent() -> None:
    async with listening(hang) as peer:
        transport = Transport(timeout=5.0, connect_timeout=0.05, connections=1)
        first = asyncio.create_task(transport.request("POST", peer.url, data=FORM))
        await peer.asked.wait()
        with pytest.raises(NotSent, match="connect_timeout"):
            await transport.request("POST", peer.url, data=FORM)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await transport.close()

    assert len(peer.requests) == 1


async def test_a_refusing_check_keeps_every_byte_back() -> None:
    async with listening(say_nothing) as peer:
        with pytest.raises(NotSent) as caught:
            await post(peer.url, PendingCall(check=lambda: "fenced"))
        await peer.gone.wait()

    assert caught.value.reason == "fenced"
    assert (peer.connections, peer.bytes_read) == (1, 0)


async def test_the_check_is_asked_once_and_after_the_wait_for_a_connection() -> None:
    """What turned true while the call waited in the pool still stops it."""
    asked: list[str | None] = []
    reasons: list[str | None] = [None, "revoked"]

    def check() -> str | None:
        asked.append(reasons[len(asked)])
        return asked[-1]

    async with listening(answer(), answer()) as peer:
        transport = Transport(timeout=2.0, connections=1)

        async def call() -> Any:
            with calling(PendingCall(check)):
                return await transport.request("POST", peer.url, data=FORM)

        results = await asyncio.gather(call(), call(), return_exceptions=True)
        await transport.close()

    assert asked == [None, "revoked"]
    assert isinstance(results[1], NotSent)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (reset_after_first_byte, "connection_lost"),
        (close_after_request, "connection_lost"),
        (cut_answer(b"HTTP/1.1 201 Cre"), "connection_lost"),
        (cut_answer(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"), "connection_lost"),
        (cut_answer(b"\x00\xff not http\r\n\r\n"), "connection_lost"),
        (hang, "timeout"),
        (dribble, "timeout"),
    ],
    ids=["reset before the body", "closed after it", "cut head", "cut body", "not http", "hang", "dribble"],
)
async def test_a_written_request_without_an_answer_is_unknown_and_written_once(act: Act, reason: str) -> None:
    async with listening(act, answer()) as peer:
        with pytest.raises(NoAnswer) as caught:
            await post(peer.url, timeout=0.3)

    assert caught.value.reason == reason
    assert peer.connections == 1


async def test_a_kept_connection_that_dies_under_a_post_is_not_written_again() -> None:
    """aiohttp repeats idempotent methods there; a POST must stay unknown."""
    async with listening(answer(), close_after_request, answer()) as peer:
        transport = Transport(timeout=2.0)
        await transport.request("POST", peer.url, data=FORM)
        with pytest.raises(NoAnswer, match="connection_lost"):
            await transport.request("POST", peer.url, data=FORM)
        await transport.close()

    assert (peer.connections, len(peer.requests)) == (1, 2)


async def test_a_kept_connection_known_to_be_closed_is_not_used() -> None:
    async with listening(answer(close=True), answer()) as peer:
        transport = Transport(timeout=2.0)
        await transport.request("POST", peer.url, data=FORM)
        await asyncio.sleep(0.02)  # until the close has arrived
        response = await transport.request("POST", peer.url, data=FORM)
        await transport.close()

    assert (response.status_code, peer.connections) == (201, 2)


async def test_a_server_error_is_not_repeated() -> None:
    async with listening(answer("503 Service Unavailable", b"", close=True), answer()) as peer:
        response = await post(peer.url)

    assert (response.status_code, peer.connections) == (503, 1)


@pytest.mark.parametrize("cause", [lambda: NotSent("x"), lambda: NoAnswer("x")])
def test_both_errors_say_their_reason(cause: Callable[[], CallError]) -> None:
    assert str(cause()) == "x"
