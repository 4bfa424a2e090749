"""Each contract test runs on every adapter of its port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contracts.twilio_fixtures import TWILIO_FIXTURES, TwilioFixture


@pytest.fixture(params=TWILIO_FIXTURES)
async def twilio(request: pytest.FixtureRequest) -> AsyncIterator[TwilioFixture]:
    async with TWILIO_FIXTURES[request.param]() as twilio:
        yield twilio
