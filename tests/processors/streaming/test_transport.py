"""Where a worker reads on after a rebalance or a fetch whose records were thrown away, and what its producer asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP

from processors.streaming import direct_delivery
from processors.streaming.transport import (
    StageConsumer,
    StageConsumerThread,
    StageProducer,
    StageTransport,
    consumer_of,
    producer_of,
)
from tests.processors.streaming.conftest import BuildApp

COMMITTED = TP("sms-requests", 0)
NEVER = TP("sms-list-entries", 0)
AT_ZERO = TP("sms-list-entries", 1)
CHANGELOG = TP("smsflow-person-messages-changelog", 0)


@pytest.fixture
async def consumer(build_app: BuildApp, monkeypatch: pytest.MonkeyPatch) -> StageConsumer:
    """A consumer that was not started; what its thread is to do is done here."""

    async def call(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await function(*args)

    consumer = consumer_of(build_app())
    monkeypatch.setattr(consumer._thread, "call_thread", call)
    monkeypatch.setattr(consumer, "_is_changelog_tp", lambda tp: tp.topic.endswith("-changelog"))
    return consumer


class Client:
    """aiokafka's consumer, as far as seeking goes: it leaves a partition without a committed offset where it is."""

    def __init__(self) -> None:
        self.positions = dict.fromkeys((COMMITTED, NEVER, AT_ZERO, CHANGELOG), 13)
        self.lost: set[TP] = set()

    async def seek_to_committed(self) -> dict[TP, int | None]:
        self.positions[COMMITTED] = 5
        return {COMMITTED: 5, NEVER: None, AT_ZERO: 0, CHANGELOG: None}

    async def beginning_offsets(self, partitions: Sequence[TP]) -> dict[TP, int]:
        return dict.fromkeys(partitions, 3)

    def seek(self, partition: TP, offset: int) -> None:
        if partition in self.lost:
            raise IllegalStateError("not assigned")
        self.positions[partition] = offset


async def seek(consumer: StageConsumer, client: Client) -> Any:
    consumer._thread._consumer = client
    return await consumer.seek_to_committed()


async def test_a_partition_that_nothing_was_committed_of_is_read_from_its_beginning(consumer: StageConsumer) -> None:
    """What was fetched and thrown away would be passed over for good: the next commit goes behind it."""
    client = Client()

    committed = await seek(consumer, client)

    assert (client.positions[NEVER], client.positions[AT_ZERO]) == (3, 3)
    assert committed[NEVER] is None


async def test_what_was_committed_is_read_from_there_and_a_standby_reads_on(consumer: StageConsumer) -> None:
    client = Client()

    await seek(consumer, client)

    assert (client.positions[COMMITTED], client.positions[CHANGELOG]) == (5, 13)


async def test_a_partition_that_was_lost_meanwhile_is_nobodys_business(consumer: StageConsumer) -> None:
    client = Client()
    client.lost = {NEVER}

    assert (await seek(consumer, client))[COMMITTED] == 5
    assert client.positions[AT_ZERO] == 3


class Partition:
    """aiokafka's state of one partition."""

    def __init__(self, position: int | None) -> None:
        self.has_valid_position = position is not None
        self.position = position


class Fetched:
    """aiokafka's consumer, right after a fetch that took two records of each partition, 88 and 89."""

    def __init__(self, **positions: int | None) -> None:
        self.states = {TP(topic, 0): Partition(at) for topic, at in positions.items()}
        self.sought: dict[TP, int] = {}
        assignment = SimpleNamespace(tps=self.states.keys(), state_value=self.states.__getitem__)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))

    def seek(self, partition: TP, offset: int) -> None:
        self.sought[partition] = offset


async def fetch(consumer: StageConsumer, client: Fetched, active: set[TP], paused: set[TP]) -> Any:
    """What a fetch gives that was made for all these, the second of which were paused while it waited."""

    async def getmany(asked: set[TP], _timeout: float) -> dict[TP, list[Any]]:
        live.difference_update(paused)
        return {tp: [SimpleNamespace(offset=88), SimpleNamespace(offset=89)] for tp in asked}

    live = active | paused
    consumer._thread._consumer = client
    consumer._thread.getmany = getmany  # type: ignore[method-assign,assignment]  # no broker is asked
    return await consumer._getmany(live, 1.0)


async def test_what_a_fetch_brings_of_partitions_that_are_active_is_given_on(consumer: StageConsumer) -> None:
    client = Fetched(a=90, b=90)

    found = await fetch(consumer, client, {TP("a", 0), TP("b", 0)}, set())

    assert ([len(records) for records in found.values()], client.sought) == ([2, 2], {})


async def test_what_a_fetch_brings_of_partitions_paused_meanwhile_is_put_back(consumer: StageConsumer) -> None:
    """Faust drops it, and takes the records that follow for the next ones."""
    client = Fetched(a=90, b=90)

    found = await fetch(consumer, client, {TP("a", 0)}, {TP("b", 0)})

    assert (list(found), client.sought) == ([TP("a", 0)], {TP("b", 0): 88})


@pytest.mark.parametrize("position", [None, 40, 88])
async def test_what_was_sought_back_meanwhile_stays_where_it_was_sought_to(
    consumer: StageConsumer, position: int | None
) -> None:
    client = Fetched(b=position)

    assert await fetch(consumer, client, set(), {TP("b", 0)}) == {}
    assert client.sought == {}


async def test_what_was_lost_meanwhile_is_put_back_by_nobody(consumer: StageConsumer) -> None:
    client = Fetched(a=90)

    await fetch(consumer, client, set(), {TP("b", 0)})

    assert client.sought == {}


async def test_an_app_has_smsflows_consumer_thread_and_producer(build_app: BuildApp) -> None:
    app = build_app()

    assert type(app.transport) is StageTransport
    assert type(app.consumer) is StageConsumer
    assert type(consumer_of(app)._thread) is StageConsumerThread
    assert type(app.producer) is StageProducer


async def test_aiokafkas_producer_asks_the_apps_fence(build_app: BuildApp) -> None:
    app = build_app()

    producer = producer_of(app)._new_producer()

    assert producer._sender.smsflow_fence is app.fence
    await producer.stop()


async def test_a_record_is_appended_to_its_partition(build_app: BuildApp) -> None:
    sent: list[Any] = []

    async def send(*args: Any, **kwargs: Any) -> str:
        sent.append((args, kwargs))
        return "its future"

    producer = producer_of(build_app())
    producer._producer = SimpleNamespace(send=send)

    assert cast(Any, await producer.append("changelog", 3, b"key", None)) == "its future"
    assert sent == [(("changelog", None), {"key": b"key", "partition": 3})]


async def test_before_the_thread_has_started_there_is_no_membership(consumer: StageConsumer) -> None:
    assert consumer.group_member() is None
    assert not consumer.is_assigned(COMMITTED)


@pytest.mark.parametrize(
    ("subscription", "assigned"),
    [
        (None, False),
        (SimpleNamespace(assignment=None), False),
        (SimpleNamespace(assignment=SimpleNamespace(tps={NEVER})), False),
        (SimpleNamespace(assignment=SimpleNamespace(tps={COMMITTED})), True),
    ],
)
async def test_a_partition_is_assigned_when_the_subscription_has_it(
    consumer: StageConsumer, subscription: Any, assigned: bool
) -> None:
    coordinator = SimpleNamespace(generation=5, last_good_heartbeat=1.0)
    consumer._thread._consumer = SimpleNamespace(
        _coordinator=coordinator, _subscription=SimpleNamespace(subscription=subscription)
    )

    assert consumer.is_assigned(COMMITTED) is assigned
    assert consumer.group_member() is coordinator


async def test_what_will_never_be_acknowledged_is_not_waited_for(consumer: StageConsumer) -> None:
    record = SimpleNamespace(
        topic="t",
        partition=0,
        offset=1,
        timestamp=1,
        timestamp_type=0,
        headers=[],
        key=b"",
        value=b"",
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
    )
    message = consumer._to_message(COMMITTED, record)
    consumer.track_message(message)
    assert set(consumer.unacked) == {message}

    consumer.stop_waiting_for(message)

    assert set(consumer.unacked) == set()


async def test_committed_offsets_are_of_owned_partitions_of_these_topics(
    consumer: StageConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "assignment", lambda: {COMMITTED, NEVER, CHANGELOG})
    consumer._committed_offset[COMMITTED] = 5
    consumer._committed_offset[CHANGELOG] = 7

    assert consumer.committed_offsets({COMMITTED.topic, NEVER.topic}) == {COMMITTED: 5, NEVER: 0}


@pytest.mark.parametrize("direct", [True, False])
async def test_a_setting_says_whether_records_are_delivered_without_a_task(
    direct: bool, build_app: BuildApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[bool] = []
    wait_first = direct_delivery.wait_first

    async def noted(*args: Any, **kwargs: Any) -> Any:
        used.append(True)
        return await wait_first(*args, **kwargs)

    async def work() -> str:
        return "done"

    monkeypatch.setattr(direct_delivery, "wait_first", noted)
    consumer = consumer_of(build_app(direct_delivery=direct))

    results = await consumer.wait_first(work())

    assert results.results == ["done"]
    assert bool(used) is direct
