"""A slice of what `benchmarks/fuzz_ingester.py` does for hours: bad input is no error and no record."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.clock import ManualClock
from connectors.memory import MemoryPublisher
from connectors.twilio.webhooks.ingester import Ingester
from connectors.twilio.webhooks.options import IngesterOptions
from schemas.codec import Codec
from tests.builders import NOW
from tests.connectors.twilio.webhooks.attacks import MAX_BYTES, PUBLIC, TOKEN, request, signed_request

seeds = st.lists(st.integers(0, 2**32), min_size=20, max_size=20)


@asynccontextmanager
async def attacked() -> AsyncIterator[tuple[MemoryPublisher, int]]:
    publisher = MemoryPublisher()
    settings = IngesterOptions(public_url=PUBLIC, auth_tokens=(TOKEN,), max_bytes=MAX_BYTES)
    async with Ingester(settings, publisher, Codec(), ManualClock(NOW)).serving("127.0.0.1", 0) as port:
        yield publisher, port


async def statuses(port: int, raw: bytes) -> list[int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    writer.write_eof()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


@settings(max_examples=25, deadline=None)
@given(seeds=seeds)
@example(seeds=list(range(200)))
async def test_unsigned_input_is_refused_without_an_error_and_publishes_nothing(seeds: list[int]) -> None:
    async with attacked() as (publisher, port):
        answers = {seed: await statuses(port, request(seed)) for seed in seeds}
        assert await statuses(port, b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n") == [200]

    assert {seed: found for seed, found in answers.items() if any(status >= 500 for status in found)} == {}
    assert publisher.records == []


@settings(max_examples=15, deadline=None)
@given(seeds=seeds)
async def test_signed_nonsense_is_kept_or_malformed(seeds: list[int]) -> None:
    async with attacked() as (publisher, port):
        answers = [status for seed in seeds for status in await statuses(port, signed_request(seed))]

    assert len(answers) == len(seeds)
    assert set(answers) <= {200, 204, 400}
    dead = [wire for wire in publisher.records if wire.topic.endswith("-dlq")]
    assert len(dead) <= answers.count(400)
    assert len(publisher.records) - len(dead) <= len(answers) - answers.count(400)
