"""A stage over doubles, before and after its senders' limits let it send."""

from __future__ import annotations

import pytest

from tests.processors.sender.harness import Worker, World, warm


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def worker(world: World) -> Worker:
    """A worker whose senders may send at once."""
    worker = Worker(world)
    await warm(worker)
    return worker
