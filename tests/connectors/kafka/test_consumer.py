"""Reading in batches with commits, from a real broker."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from connectors.kafka.consumer import GroupConsumer
from connectors.kafka.errors import ReadError
from connectors.kafka.producer import KafkaPublisher
from connectors.kafka.records import ConsumedRecord
from tests.conftest import KafkaServer
from tests.connectors.kafka.topics import fresh_topic, numbered

pytestmark = pytest.mark.kafka
Join = Callable[[], GroupConsumer]


@pytest.fixture
async def topic(kafka: KafkaServer) -> str:
    """A topic with 30 records."""
    name = fresh_topic(kafka.bootstrap)
    publisher = KafkaPublisher(kafka.bootstrap)
    await publisher.publish(numbered(name, 30))
    publisher.close()
    return name


@pytest.fixture
def join(kafka: KafkaServer, topic: str) -> Iterator[Join]:
    group = uuid.uuid4().hex
    members: list[GroupConsumer] = []

    def make() -> GroupConsumer:
        members.append(GroupConsumer(kafka.bootstrap, group, [topic], session_timeout_ms=6000))
        return members[-1]

    yield make
    for member in members:
        member.close()


def read(reader: GroupConsumer, count: int) -> list[ConsumedRecord]:
    found: list[ConsumedRecord] = []
    for _ in range(100):
        found += reader.poll_batch(count - len(found), timeout=0.5)
        if len(found) >= count:
            return found
    raise AssertionError(f"only {len(found)} of {count} records came")


def values(records: list[ConsumedRecord]) -> list[int]:
    return sorted(int(record.value or b"") for record in records)


def test_a_batch_is_never_larger_than_asked_for(join: Join) -> None:
    reader = join()
    first = read(reader, 10)
    assert len(first) == 10
    assert values(first + read(reader, 20)) == list(range(30))
    assert reader.poll_batch(10, timeout=0.1) == []


def test_what_was_committed_does_not_come_again(join: Join) -> None:
    first = join()
    done = read(first, 12)
    first.commit()
    first.close()

    assert values(done + read(join(), 18)) == list(range(30))


def test_what_was_not_committed_comes_again(join: Join) -> None:
    with join() as first:
        read(first, 30)
    assert values(read(join(), 30)) == list(range(30))


def test_committing_nothing_does_no_harm(join: Join) -> None:
    join().commit()


def test_a_missing_topic_is_an_error_and_not_silence(kafka: KafkaServer) -> None:
    with (
        GroupConsumer(kafka.bootstrap, uuid.uuid4().hex, ["no-such-topic"]) as reader,
        pytest.raises(ReadError, match="no-such-topic"),
    ):
        read(reader, 1)


def test_a_member_that_was_replaced_says_so_instead_of_reading_nothing_for_ever(kafka: KafkaServer, topic: str) -> None:
    """After a crash of the broker the replaced one may even be the living one: its process has to start anew."""
    group = uuid.uuid4().hex

    def member() -> GroupConsumer:
        return GroupConsumer(kafka.bootstrap, group, [topic], group_instance_id="one", session_timeout_ms=6000)

    with member() as first:
        read(first, 30)
        with member() as second:
            read(second, 30)
            with pytest.raises(ReadError, match="fenced"):
                first.commit()
            with pytest.raises(ReadError, match="fenced"):
                read(first, 1)
