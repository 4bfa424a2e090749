"""The load of the crash tests: requests of every kind, repeated, misrouted and scheduled ones, and STOPs between."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from confluent_kafka import Producer

from processors.demo.load import people
from processors.streaming.partitioner import partition_of
from schemas.codec import Codec
from schemas.enums import ConsentState, MessageClass
from schemas.records import ConsentChange, SendRequest
from schemas.topics import SMS_CONSENT, SMS_DISPATCH_NORMAL, SMS_REQUESTS, SMS_STATUS
from tests.crash.system import System
from tests.crash.tuning import PARTITIONS, SENDERS

CODEC = Codec()
CLASSES = tuple(MessageClass)
TEXTS = ("Your parcel is here", "See you at six", "Здравствуйте", "x" * 200)


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that are checked together, people who opt out by text or by an operator, and undecodable values."""

    name: str
    requests: tuple[SendRequest, ...]
    texted_stop: tuple[str, ...]
    opted_out: tuple[str, ...]
    garbage: tuple[bytes, ...]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(request.message_id for request in self.requests)


def make_batch(name: str, seed: str, number: int, persons: int, each: int, stops: int = 2) -> Batch:
    """Build a batch of ``each`` messages to each of ``persons`` people.

    Batches with different ``number`` have different people. ``stops``: how many people opt out in each way.
    """
    rng = random.Random(seed)
    to = people()[number * persons : (number + 1) * persons]
    assert len(to) == persons, "more batches than people"
    now = datetime.now(UTC)
    requests = [
        _request(f"{name}-{turn}-{place}", person, turn, place, now, rng)
        for turn in range(each)
        for place, person in enumerate(to)
    ]
    stopping = rng.sample(to, 2 * stops)
    garbage = f"garbage of {name}".encode()
    return Batch(name, tuple(requests), tuple(stopping[:stops]), tuple(stopping[stops:]), (garbage,))


def _request(message_id: str, to: str, turn: int, place: int, now: datetime, rng: random.Random) -> SendRequest:
    later = now + timedelta(seconds=rng.uniform(1.5, 4)) if rng.random() < 0.15 else None
    return SendRequest(
        message_id=message_id,
        to=to,
        tenant="acme",
        campaign="crash",
        message_class=CLASSES[place % len(CLASSES)],
        body=TEXTS[(place + turn // 2) % len(TEXTS)],  # two in a row are the same text to the same person
        send_at=later,
        requested_at=now,
    )


class LoadProducer:
    """Publishes batches as a careful client does: a record that was not acknowledged is sent again."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._producer = Producer(
            {"bootstrap.servers": system.kafka.bootstrap, "partitioner": "murmur2_random", "log_level": 0}
        )

    def publish_first_half(self, batch: Batch) -> None:
        """Publish half of the requests, some of them twice, some to the wrong partition, and the undecodable values."""
        half = batch.requests[: len(batch.requests) // 2]
        misrouted = half[3::16]
        self._misroute(misrouted)
        self._publish([request for request in half if request not in misrouted])
        self._publish(half[::10])
        for garbage in batch.garbage:
            for topic in (SMS_REQUESTS, SMS_DISPATCH_NORMAL, SMS_STATUS):
                self._producer.produce(topic.name, garbage, b"nobody")
        self._producer.flush()

    def publish_stops(self, batch: Batch) -> None:
        """Opt people out: some text STOP to one of our numbers, others are opted out by an operator."""
        for person in batch.texted_stop:
            self._system.text(person, SENDERS[-1], "STOP")
        for person in batch.opted_out:
            change = ConsentChange(
                change_id=f"{batch.name}-{person}",
                person=person,
                state=ConsentState.OPTED_OUT,
                occurred_at=datetime.now(UTC),
            )
            self._producer.produce(SMS_CONSENT.name, CODEC.encode(change), person.encode())
        self._producer.flush()

    def publish_second_half(self, batch: Batch) -> None:
        """Publish the other half of the requests."""
        self._publish(batch.requests[len(batch.requests) // 2 :])
        self._producer.flush()

    def trickle(self, batch: Batch, size: int) -> Iterator[int]:
        """Publish the other half in portions, one per iteration; yields how many were published."""
        rest = batch.requests[len(batch.requests) // 2 :]
        for start in range(0, len(rest), size):
            self._publish(rest[start : start + size])
            self._producer.flush()
            yield min(start + size, len(rest))

    def _publish(self, requests: Sequence[SendRequest]) -> None:
        for request in requests:
            self._producer.produce(SMS_REQUESTS.name, CODEC.encode(request), request.to.encode())

    def _misroute(self, requests: Sequence[SendRequest]) -> None:
        """Publish to a wrong partition, as a client with another partitioner does."""
        for request in requests:
            wrong = (partition_of(request.to.encode(), PARTITIONS) + 1) % PARTITIONS
            self._producer.produce(SMS_REQUESTS.name, CODEC.encode(request), request.to.encode(), partition=wrong)
