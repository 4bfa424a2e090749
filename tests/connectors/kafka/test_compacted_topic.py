"""A compacted topic in memory, on a real broker that crashes and comes back."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from connectors.kafka.compacted_topic import CompactedTopic
from connectors.kafka.embedded.broker import EmbeddedKafka
from connectors.kafka.producer import KafkaPublisher
from schemas.codec import EncodedRecord
from tests.conftest import KafkaServer
from tests.connectors.kafka.topics import fresh_topic

pytestmark = pytest.mark.kafka


class Elapsed:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def elapsed() -> Elapsed:
    return Elapsed()


@pytest.fixture
def topic(kafka: KafkaServer) -> str:
    return fresh_topic(kafka.bootstrap, 2, cleanup_policy="compact")


@pytest.fixture
async def publisher(kafka: KafkaServer) -> AsyncIterator[KafkaPublisher]:
    made = KafkaPublisher(kafka.bootstrap, linger_ms=0)
    yield made
    made.close()


@pytest.fixture
async def copy(kafka: KafkaServer, topic: str, elapsed: Elapsed) -> AsyncIterator[CompactedTopic]:
    made = CompactedTopic(kafka.bootstrap, topic, elapsed)
    yield made
    await made.stop()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  what is looked at has no event to wait for
            await asyncio.sleep(0.01)


async def test_it_holds_the_newest_value_of_each_key_and_forgets_the_deleted(
    copy: CompactedTopic, publisher: KafkaPublisher, topic: str
) -> None:
    await publisher.publish(
        [EncodedRecord(topic, b"a", b"1"), EncodedRecord(topic, b"b", b"1"), EncodedRecord(topic, b"c", b"1")]
    )
    await publisher.publish([EncodedRecord(topic, b"a", b"2"), EncodedRecord(topic, b"b", None)])
    await copy.start()
    await copy.caught_up.wait()
    assert [copy.get(key) for key in (b"a", b"b", b"c", b"never")] == [b"2", None, b"1", None]
    assert len(copy) == 2


async def test_an_empty_topic_is_caught_up_with(copy: CompactedTopic, elapsed: Elapsed) -> None:
    assert copy.age(elapsed.now) == math.inf
    await copy.start()
    await copy.caught_up.wait()
    assert copy.age(elapsed.now) == 0


async def test_a_new_record_is_seen_at_once(copy: CompactedTopic, publisher: KafkaPublisher, topic: str) -> None:
    await copy.start()
    await copy.caught_up.wait()
    loop = asyncio.get_running_loop()
    delays = []
    for number in range(20):
        await publisher.publish([EncodedRecord(topic, b"k", b"%d" % number)])
        published = loop.time()
        await eventually(lambda wanted=b"%d" % number: copy.get(b"k") == wanted)  # type: ignore[misc]
        delays.append(loop.time() - published)
    assert sorted(delays)[10] < 0.05


async def test_every_change_is_told(kafka: KafkaServer, publisher: KafkaPublisher, topic: str) -> None:
    told: list[tuple[bytes, bytes | None]] = []
    copy = CompactedTopic(kafka.bootstrap, topic, Elapsed(), lambda key, value: told.append((key, value)))
    await publisher.publish([EncodedRecord(topic, b"a", b"1")])
    await copy.start()
    await copy.caught_up.wait()
    await publisher.publish([EncodedRecord(topic, b"a", None)])
    await eventually(lambda: len(told) == 2)
    await copy.stop()
    assert told == [(b"a", b"1"), (b"a", None)]


async def test_a_copy_that_was_stopped_ages(copy: CompactedTopic, elapsed: Elapsed) -> None:
    await copy.start()
    await copy.caught_up.wait()
    await copy.stop()
    elapsed.now += 30
    assert copy.age(elapsed.now) == 30


async def test_a_missing_topic_is_waited_for_and_never_called_fresh(kafka: KafkaServer, elapsed: Elapsed) -> None:
    copy = CompactedTopic(kafka.bootstrap, "no-such-topic", elapsed)
    await copy.start()
    await asyncio.sleep(0.3)
    assert copy.age(elapsed.now) == math.inf
    await copy.stop()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        yield broker


async def test_it_ages_while_the_broker_is_away_and_goes_on_when_it_is_back(
    own_broker: EmbeddedKafka, elapsed: Elapsed
) -> None:
    topic = fresh_topic(own_broker.bootstrap, cleanup_policy="compact")
    publisher = KafkaPublisher(own_broker.bootstrap)
    await publisher.publish([EncodedRecord(topic, b"k", b"before")])
    copy = CompactedTopic(own_broker.bootstrap, topic, elapsed)
    await copy.start()
    await copy.caught_up.wait()

    await asyncio.to_thread(own_broker.kill)
    elapsed.now += 60
    await asyncio.sleep(1.5)  # more than one question's interval
    assert copy.age(elapsed.now) >= 60
    assert copy.get(b"k") == b"before"

    await asyncio.to_thread(own_broker.start)
    await publisher.publish([EncodedRecord(topic, b"k", b"after")])
    await eventually(lambda: copy.get(b"k") == b"after" and copy.age(elapsed.now) == 0)

    await copy.stop()
    publisher.close()


async def test_a_topic_made_anew_is_read_anew(own_broker: EmbeddedKafka, elapsed: Elapsed) -> None:
    """Keys of the topic that is gone are forgotten, and the change is told."""
    from confluent_kafka.admin import AdminClient, NewTopic

    topic = fresh_topic(own_broker.bootstrap, 1, cleanup_policy="compact")
    publisher = KafkaPublisher(own_broker.bootstrap)
    await publisher.publish([EncodedRecord(topic, b"gone", b"1"), EncodedRecord(topic, b"more", b"1")])
    gone: list[bytes] = []
    copy = CompactedTopic(own_broker.bootstrap, topic, elapsed, lambda key, value: None if value else gone.append(key))
    await copy.start()
    await copy.caught_up.wait()

    admin = AdminClient({"bootstrap.servers": own_broker.bootstrap, "log_level": 0})
    admin.delete_topics([topic])[topic].result()
    admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})])[topic].result()
    elapsed.now += 60
    await eventually(lambda: copy.get(b"gone") is None and copy.age(elapsed.now) == 0)
    await publisher.publish([EncodedRecord(topic, b"new", b"1")])
    await eventually(lambda: copy.get(b"new") == b"1")

    await copy.stop()
    publisher.close()
    assert sorted(gone) == [b"gone", b"more"]
