"""What is asked of the system while it dies: requests of every kind, twice, misrouted, scheduled, and STOPs between."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from confluent_kafka import Producer

from processors.demo.load import people
from processors.streaming.partitioner import partition_of
from schemas.codec import Codec
from schemas.records import ConsentChange, ConsentState, MessageClass, SendRequest
from schemas.topics import SMS_CONSENT, SMS_DISPATCH_NORMAL, SMS_REQUESTS, SMS_STATUS
from tests.crash.system import PARTITIONS, SENDERS, System

CODEC = Codec()
CLASSES = tuple(MessageClass)
TEXTS = ("Your parcel is here", "See you at six", "Здравствуйте", "x" * 200)


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that are judged together. ``texted_stop`` and ``opted_out`` are people, ``garbage`` is no record."""

    name: str
    requests: tuple[SendRequest, ...]
    texted_stop: tuple[str, ...]
    opted_out: tuple[str, ...]
    garbage: tuple[bytes, ...]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(request.message_id for request in self.requests)


def batch(name: str, seed: str, number: int, persons: int, each: int, stops: int = 2) -> Batch:
    """``each`` messages to each of ``persons`` people, whom no batch of another ``number`` writes to."""
    chance = random.Random(seed)
    to = people()[number * persons : (number + 1) * persons]
    assert len(to) == persons, "more batches than people"
    now = datetime.now(UTC)
    requests = [
        _request(f"{name}-{turn}-{place}", person, turn, place, now, chance)
        for turn in range(each)
        for place, person in enumerate(to)
    ]
    stopping = chance.sample(to, 2 * stops)
    garbage = f"garbage of {name}".encode()
    return Batch(name, tuple(requests), tuple(stopping[:stops]), tuple(stopping[stops:]), (garbage,))


def _request(message_id: str, to: str, turn: int, place: int, now: datetime, chance: random.Random) -> SendRequest:
    later = now + timedelta(seconds=chance.uniform(1.5, 4)) if chance.random() < 0.15 else None
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


class Upstream:
    """Publishes batches as a careful client does: a record that was not acknowledged is sent again."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._producer = Producer(
            {"bootstrap.servers": system.kafka.bootstrap, "partitioner": "murmur2_random", "log_level": 0}
        )

    def first_half(self, what: Batch) -> None:
        """Half of the requests; some of them twice, some in the wrong partition; and what nobody can read."""
        half = what.requests[: len(what.requests) // 2]
        misrouted = half[3::16]
        self._misroute(misrouted)
        self._ask([request for request in half if request not in misrouted])
        self._ask(half[::10])
        for garbage in what.garbage:
            for topic in (SMS_REQUESTS, SMS_DISPATCH_NORMAL, SMS_STATUS):
                self._producer.produce(topic.name, garbage, b"nobody")
        self._producer.flush()

    def stops(self, what: Batch) -> None:
        """People say STOP: some by texting one of our numbers, for some an operator notes it."""
        for person in what.texted_stop:
            self._system.text(person, SENDERS[-1], "STOP")
        for person in what.opted_out:
            change = ConsentChange(
                change_id=f"{what.name}-{person}",
                person=person,
                state=ConsentState.OPTED_OUT,
                occurred_at=datetime.now(UTC),
            )
            self._producer.produce(SMS_CONSENT.name, CODEC.encode(change), person.encode())
        self._producer.flush()

    def second_half(self, what: Batch) -> None:
        """The other half of the requests."""
        self._ask(what.requests[len(what.requests) // 2 :])
        self._producer.flush()

    def trickle(self, what: Batch, size: int) -> Iterator[int]:
        """The other half in portions, as fast as they are asked for; gives how many are out."""
        rest = what.requests[len(what.requests) // 2 :]
        for start in range(0, len(rest), size):
            self._ask(rest[start : start + size])
            self._producer.flush()
            yield min(start + size, len(rest))

    def _ask(self, requests: Sequence[SendRequest]) -> None:
        for request in requests:
            self._producer.produce(SMS_REQUESTS.name, CODEC.encode(request), request.to.encode())

    def _misroute(self, requests: Sequence[SendRequest]) -> None:
        """As a client with another partitioner does."""
        for request in requests:
            wrong = (partition_of(request.to.encode(), PARTITIONS) + 1) % PARTITIONS
            self._producer.produce(SMS_REQUESTS.name, CODEC.encode(request), request.to.encode(), partition=wrong)
