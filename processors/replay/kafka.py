"""The replay's reading and writing: what failed, what was put back before, and putting back, each record once.

Every record that is put back carries its plan and its origin in a header; the target topic itself is the memory of what
a plan has done, so a second run, from any machine and after any crash, finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

from msgspec import structs

from connectors.kafka.cluster import ClusterLike
from connectors.kafka.producer import KafkaPublisher
from connectors.kafka.topic_reader import read_all
from processors.core.replay import Plan, PlanEntry, RecordLocation, ReplayFacts, ReplayVerdict
from schemas.codec import Codec, EncodedRecord
from schemas.errors import DecodeError
from schemas.records import DeadLetter, Failed, Revocation
from schemas.topics import (
    BY_NAME,
    DEAD_LETTERS,
    PERSON_INPUTS,
    PUBLIC,
    SMS_FAILED,
    SMS_REQUESTS,
    SMS_REVOCATIONS,
    SMS_SENT,
    SMS_STATUS,
)

HEADER = "smsflow-replay"
CLOCKS_APART = timedelta(minutes=5)
"""How far a record's timestamp may lie before the plan that put it there."""
_TARGETS = tuple(topic.name for topic in (*PERSON_INPUTS, *PUBLIC))


def gather_facts(where: ClusterLike, codec: Codec, since: datetime) -> ReplayFacts:
    """Everything the topics say about failures since then. Raises ReadError."""
    facts = ReplayFacts()
    names = [topic.name for topic in (SMS_FAILED, SMS_SENT, SMS_STATUS, *DEAD_LETTERS)]
    for read in read_all(where, names, since):
        with suppress(DecodeError):  # a record nobody can read is no failure of ours to replay
            record = codec.decode(BY_NAME[read.topic].record, read.value)
            facts.add(RecordLocation(read.topic, read.partition, read.offset), record)
    for read in read_all(where, [SMS_REVOCATIONS.name]):
        if read.value is not None:
            facts.add(RecordLocation(read.topic, read.partition, read.offset), codec.decode(Revocation, read.value))
    facts.put_back |= {origin for _, origin in _headers(where, _TARGETS, since)}
    return facts


def put_back_already(where: ClusterLike, plan: Plan) -> set[str]:
    """The origins this plan has put back. Raises ReadError."""
    targets = sorted({entry.target for entry in plan.back()})
    since = plan.made_at - CLOCKS_APART
    return {origin for plan_id, origin in _headers(where, targets, since) if plan_id == plan.plan_id}


async def put_back(
    where: ClusterLike,
    codec: Codec,
    plan: Plan,
    entries: Sequence[PlanEntry],
    rate: float,
    show: Callable[[str], object],
) -> list[PlanEntry]:
    """Publish these entries' records, ``rate`` a second; returns those whose record Kafka no longer has.

    Raises ReadError, PublishError; what was published by then stays, and the next run leaves it out.
    """
    found = _wires(where, codec, plan, entries)
    publisher = KafkaPublisher(where)
    for number, wire in enumerate(found.values(), start=1):
        await publisher.publish([wire])
        if number % 100 == 0:
            show(f"{number} of {len(found)} put back")
        await asyncio.sleep(1 / rate)
    return [entry for entry in entries if str(entry.place) not in found]


def _wires(where: ClusterLike, codec: Codec, plan: Plan, entries: Iterable[PlanEntry]) -> dict[str, EncodedRecord]:
    """Each entry's record, read again from its place."""
    found = {}
    for topic, group in groupby(sorted(entries, key=lambda entry: entry.place), key=lambda entry: entry.place.topic):
        wanted = {entry.place: entry for entry in group}
        partitions = {place.partition for place in wanted}
        for read in read_all(where, [topic], plan.filters.since - CLOCKS_APART, partitions):
            entry = wanted.get(RecordLocation(read.topic, read.partition, read.offset))
            if entry is not None:
                record = codec.decode(BY_NAME[topic].record, read.value)
                found[str(entry.place)] = _wire(codec, plan, entry, record)
    return found


def _wire(codec: Codec, plan: Plan, entry: PlanEntry, record: object) -> EncodedRecord:
    headers = ((HEADER, f"{plan.plan_id} {entry.place}".encode()),)
    if entry.verdict is ReplayVerdict.SEND:
        assert isinstance(record, Failed)
        request = structs.replace(record.request, replay_id=plan.plan_id)
        return replace(codec.wire(SMS_REQUESTS, request.to, request), headers=headers)
    assert isinstance(record, DeadLetter)
    return EncodedRecord(record.topic, record.key, record.value, headers)


def _headers(where: ClusterLike, topics: Sequence[str], since: datetime) -> Iterable[tuple[str, str]]:
    """(plan, origin) of every record that was put back on these topics since then."""
    if not topics:
        return
    for read in read_all(where, topics, since):
        for name, value in read.headers:
            if name == HEADER:
                plan_id, _, origin = value.decode().partition(" ")
                yield plan_id, origin
