"""Reads from Kafka what a replay plan is made from, and publishes what a plan puts back, each record once.

Each record that is put back names its plan and its original place in a header. So the target topics show what a plan
has already done, and a second run continues, also from another machine or after a crash.
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
"""How far the clocks of machines may differ: a record's timestamp may be that much older than its plan."""
_TARGETS = tuple(topic.name for topic in (*PERSON_INPUTS, *PUBLIC))


def gather_facts(where: ClusterLike, codec: Codec, since: datetime) -> ReplayFacts:
    """What the topics hold about failures since then, and all revocations.

    Raises:
        ReadError: The broker does not answer.
    """
    facts = ReplayFacts()
    names = [topic.name for topic in (SMS_FAILED, SMS_SENT, SMS_STATUS, *DEAD_LETTERS)]
    for consumed in read_all(where, names, since):
        with suppress(DecodeError):  # what cannot be decoded cannot be replayed
            record = codec.decode(BY_NAME[consumed.topic].record, consumed.value)
            facts.add(RecordLocation(consumed.topic, consumed.partition, consumed.offset), record)
    for consumed in read_all(where, [SMS_REVOCATIONS.name]):
        if consumed.value is not None:
            facts.add(
                RecordLocation(consumed.topic, consumed.partition, consumed.offset),
                codec.decode(Revocation, consumed.value),
            )
    facts.put_back |= {origin for _, origin in _headers(where, _TARGETS, since)}
    return facts


def put_back_already(where: ClusterLike, plan: Plan) -> set[str]:
    """The places of the records that this plan has put back.

    Raises:
        ReadError: The broker does not answer.
    """
    targets = sorted({entry.target for entry in plan.to_put_back()})
    since = plan.made_at - CLOCKS_APART
    return {origin for plan_id, origin in _headers(where, targets, since) if plan_id == plan.plan_id}


async def put_back(
    where: ClusterLike,
    codec: Codec,
    plan: Plan,
    entries: Sequence[PlanEntry],
    rate: float,
    on_progress: Callable[[str], object],
) -> list[PlanEntry]:
    """Publish the records of these entries.

    Args:
        where: The cluster.
        codec: Decodes the original records and encodes requests.
        plan: The plan of the entries.
        entries: What is put back.
        rate: Records per second.
        on_progress: Called with a line for people, now and then.

    Returns:
        The entries whose record Kafka no longer has.

    Raises:
        ReadError: The broker does not answer.
        PublishError: A record was not delivered. The records before it are; the next run leaves them out.
    """
    found = _records_to_publish(where, codec, plan, entries)
    publisher = KafkaPublisher(where)
    for number, outgoing in enumerate(found.values(), start=1):
        await publisher.publish([outgoing])
        if number % 100 == 0:
            on_progress(f"{number} of {len(found)} put back")
        await asyncio.sleep(1 / rate)
    return [entry for entry in entries if str(entry.place) not in found]


def _records_to_publish(
    where: ClusterLike, codec: Codec, plan: Plan, entries: Iterable[PlanEntry]
) -> dict[str, EncodedRecord]:
    """The original place of each entry → the record to publish, made from what is read there."""
    found = {}
    for topic, group in groupby(sorted(entries, key=lambda entry: entry.place), key=lambda entry: entry.place.topic):
        wanted = {entry.place: entry for entry in group}
        partitions = {place.partition for place in wanted}
        for consumed in read_all(where, [topic], plan.filters.since - CLOCKS_APART, partitions):
            entry = wanted.get(RecordLocation(consumed.topic, consumed.partition, consumed.offset))
            if entry is not None:
                record = codec.decode(BY_NAME[topic].record, consumed.value)
                found[str(entry.place)] = _record_to_publish(codec, plan, entry, record)
    return found


def _record_to_publish(codec: Codec, plan: Plan, entry: PlanEntry, record: object) -> EncodedRecord:
    headers = ((HEADER, f"{plan.plan_id} {entry.place}".encode()),)
    if entry.verdict is ReplayVerdict.SEND:
        assert isinstance(record, Failed)
        request = structs.replace(record.request, replay_id=plan.plan_id)
        return replace(codec.wire(SMS_REQUESTS, request.to, request), headers=headers)
    assert isinstance(record, DeadLetter)
    return EncodedRecord(record.topic, record.key, record.value, headers)


def _headers(where: ClusterLike, topics: Sequence[str], since: datetime) -> Iterable[tuple[str, str]]:
    """(plan id, original place) of every record that a replay has published to these topics since then."""
    if not topics:
        return
    for consumed in read_all(where, topics, since):
        for name, value in consumed.headers:
            if name == HEADER:
                plan_id, _, origin = value.decode().partition(" ")
                yield plan_id, origin
