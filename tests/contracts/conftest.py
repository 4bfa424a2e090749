"""Each contract test runs on every adapter of its port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contracts.twilio_worlds import WORLDS, World


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with WORLDS[request.param]() as world:
        yield world
