"""A side effect waits for a late heartbeat, and does not happen on a lost partition."""

from __future__ import annotations

from typing import Any

import pytest
from faust.types import TP

from processors.streaming.ordered_acks import PartitionLost
from processors.streaming.ownership import ensure_owned


class Owner:
    """Ownership as a test says."""

    def __init__(self, *, owns: bool, regains: bool) -> None:
        self._owns = owns
        self._regains = regains
        self.waited = False

    def owns(self, message: Any) -> bool:
        return self._owns

    async def wait_until_owned(self, message: Any) -> bool:
        self.waited = True
        return self._regains


class Message:
    """As much of a message as the error's text needs."""

    topic, partition, tp = "sms-requests", 3, TP("sms-requests", 3)


MESSAGE: Any = Message()


async def test_an_owned_partition_needs_no_wait() -> None:
    owner = Owner(owns=True, regains=False)
    await ensure_owned(owner, MESSAGE)

    assert not owner.waited


async def test_a_late_heartbeat_is_waited_for() -> None:
    owner = Owner(owns=False, regains=True)
    await ensure_owned(owner, MESSAGE)

    assert owner.waited


async def test_a_lost_partition_is_named() -> None:
    with pytest.raises(PartitionLost, match="sms-requests/3"):
        await ensure_owned(Owner(owns=False, regains=False), MESSAGE)
