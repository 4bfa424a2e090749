"""Where a worker reads on after a recovery, a rebalance, or a fetch whose records were thrown away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from aiokafka.structs import TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from processors import recovery

COMMITTED = TopicPartition("sms-requests", 0)
NEVER = TopicPartition("sms-history", 0)
AT_ZERO = TopicPartition("sms-history", 1)
CHANGELOG = TopicPartition("smsflow-person-messages-changelog", 0)


class Client:
    """aiokafka's consumer, as far as seeking goes: it leaves a partition without a committed offset where it is."""

    def __init__(self) -> None:
        self.positions = dict.fromkeys((COMMITTED, NEVER, AT_ZERO, CHANGELOG), 13)
        self.lost: set[TopicPartition] = set()

    async def seek_to_committed(self) -> dict[TopicPartition, int | None]:
        self.positions[COMMITTED] = 5
        return {COMMITTED: 5, NEVER: None, AT_ZERO: 0, CHANGELOG: None}

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        if self.lost & set(partitions):
            raise IllegalStateError("not assigned")
        self.positions |= dict.fromkeys(partitions, 0)


async def seek(client: Client) -> Any:
    async def call(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await function(*args)

    recovery.install()
    thread = SimpleNamespace(
        _ensure_consumer=lambda: client,
        call_thread=call,
        consumer=SimpleNamespace(_is_changelog_tp=lambda tp: tp.topic.endswith("-changelog")),
    )
    return await AIOKafkaConsumerThread.seek_to_committed(thread)


async def test_a_partition_that_nothing_was_committed_of_is_read_from_its_beginning() -> None:
    """What was fetched and thrown away would be passed over for good: the next commit goes behind it."""
    client = Client()

    committed = await seek(client)

    assert (client.positions[NEVER], client.positions[AT_ZERO]) == (0, 0)
    assert committed[NEVER] is None


async def test_what_was_committed_is_read_from_there_and_a_standby_reads_on() -> None:
    client = Client()

    await seek(client)

    assert (client.positions[COMMITTED], client.positions[CHANGELOG]) == (5, 13)


async def test_a_partition_that_was_lost_meanwhile_is_nobodys_business() -> None:
    client = Client()
    client.lost = {NEVER}

    assert (await seek(client))[COMMITTED] == 5


@pytest.mark.parametrize("times", [1, 2])
def test_installing_again_repairs_once(times: int) -> None:
    recovery.install()
    once = AIOKafkaConsumerThread.seek_to_committed
    for _ in range(times):
        recovery.install()
    assert AIOKafkaConsumerThread.seek_to_committed is once
