"""A stage over doubles."""

from __future__ import annotations

import pytest

from tests.processors.person.harness import World


@pytest.fixture
def world() -> World:
    return World()
