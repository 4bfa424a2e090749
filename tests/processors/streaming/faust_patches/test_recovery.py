"""Where a worker reads on after a recovery, a rebalance, or a fetch whose records were thrown away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from aiokafka.structs import TopicPartition
from faust.transport.consumer import ThreadDelegateConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from processors.streaming.faust_patches import recovery

COMMITTED = TopicPartition("sms-requests", 0)
NEVER = TopicPartition("sms-list-entries", 0)
AT_ZERO = TopicPartition("sms-list-entries", 1)
CHANGELOG = TopicPartition("smsflow-person-messages-changelog", 0)


class Client:
    """aiokafka's consumer, as far as seeking goes: it leaves a partition without a committed offset where it is."""

    def __init__(self) -> None:
        self.positions = dict.fromkeys((COMMITTED, NEVER, AT_ZERO, CHANGELOG), 13)
        self.lost: set[TopicPartition] = set()

    async def seek_to_committed(self) -> dict[TopicPartition, int | None]:
        self.positions[COMMITTED] = 5
        return {COMMITTED: 5, NEVER: None, AT_ZERO: 0, CHANGELOG: None}

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 3)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition in self.lost:
            raise IllegalStateError("not assigned")
        self.positions[partition] = offset


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

    assert (client.positions[NEVER], client.positions[AT_ZERO]) == (3, 3)
    assert committed[NEVER] is None


async def test_what_was_committed_is_read_from_there_and_a_standby_reads_on() -> None:
    client = Client()

    await seek(client)

    assert (client.positions[COMMITTED], client.positions[CHANGELOG]) == (5, 13)


async def test_a_partition_that_was_lost_meanwhile_is_nobodys_business() -> None:
    client = Client()
    client.lost = {NEVER}

    assert (await seek(client))[COMMITTED] == 5
    assert client.positions[AT_ZERO] == 3


class Partition:
    """aiokafka's state of one partition."""

    def __init__(self, position: int | None) -> None:
        self.has_valid_position = position is not None
        self.position = position


class Fetched:
    """aiokafka's consumer, right after a fetch that took two records of each partition, 88 and 89."""

    def __init__(self, **positions: int | None) -> None:
        self.states = {TopicPartition(topic, 0): Partition(at) for topic, at in positions.items()}
        self.sought: dict[TopicPartition, int] = {}
        assignment = SimpleNamespace(tps=self.states.keys(), state_value=self.states.__getitem__)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought[partition] = offset


async def fetch(client: Fetched, active: set[TopicPartition], paused: set[TopicPartition]) -> Any:
    """What a fetch gives that was made for all these, the second of which were paused while it waited."""

    async def getmany(asked: set[TopicPartition], _timeout: float) -> dict[TopicPartition, list[Any]]:
        live.difference_update(paused)
        return {tp: [SimpleNamespace(offset=88), SimpleNamespace(offset=89)] for tp in asked}

    async def call(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await function(*args)

    recovery.install()
    live = active | paused
    thread = SimpleNamespace(getmany=getmany, call_thread=call, _ensure_consumer=lambda: client)
    return await ThreadDelegateConsumer._getmany(SimpleNamespace(_thread=thread), live, 1.0)


async def test_what_a_fetch_brings_of_partitions_that_are_active_is_given_on() -> None:
    client = Fetched(a=90, b=90)

    found = await fetch(client, {TopicPartition("a", 0), TopicPartition("b", 0)}, set())

    assert ([len(records) for records in found.values()], client.sought) == ([2, 2], {})


async def test_what_a_fetch_brings_of_partitions_paused_meanwhile_is_put_back() -> None:
    """Faust drops it, and takes the records that follow for the next ones."""
    client = Fetched(a=90, b=90)

    found = await fetch(client, {TopicPartition("a", 0)}, {TopicPartition("b", 0)})

    assert (list(found), client.sought) == ([TopicPartition("a", 0)], {TopicPartition("b", 0): 88})


@pytest.mark.parametrize("position", [None, 40, 88])
async def test_what_was_sought_back_meanwhile_stays_where_it_was_sought_to(position: int | None) -> None:
    client = Fetched(b=position)

    assert await fetch(client, set(), {TopicPartition("b", 0)}) == {}
    assert client.sought == {}


async def test_what_was_lost_meanwhile_is_put_back_by_nobody() -> None:
    client = Fetched(a=90)

    await fetch(client, set(), {TopicPartition("b", 0)})

    assert client.sought == {}


@pytest.mark.parametrize("times", [1, 2])
def test_installing_again_repairs_once(times: int) -> None:
    recovery.install()
    once = AIOKafkaConsumerThread.seek_to_committed
    for _ in range(times):
        recovery.install()
    assert AIOKafkaConsumerThread.seek_to_committed is once
