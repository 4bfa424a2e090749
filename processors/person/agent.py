"""The person stage's agent: decodes records, orders them by person, and publishes dead letters.

``DecisionRunner`` does the rest: load, decide, save, publish. ``OrderedAcks`` acknowledges.

A decision that fails is the record's fault: the record goes to the dead letter and the stream goes on. A save or a
publish that fails is the broker's fault: then the worker stops, and the record is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

from processors.core.person.decide import person_of
from processors.core.person.decision import PersonInput, UnprocessableRecord
from processors.person.decision_runner import DecisionRunner
from processors.person.dependencies import PersonDeps
from processors.streaming.dead_letters import DeadLetters
from processors.streaming.kafka_message import Headers, KafkaEvent, KafkaMessage
from processors.streaming.partitioner import partition_of
from schemas.codec import EncodedRecord
from schemas.errors import DecodeError
from schemas.reasons import DeadLetterReason
from schemas.topics import BY_NAME

STAGE = "person"
REPARTITIONED = "smsflow-repartitioned"
"""A header: the record was published again under its person's key. That happens to a record once, not for ever."""
MAX_INPUT_BYTES = 512 * 1024
"""Its state and its events repeat an input, and must fit the broker's limit of a record, 1 MiB."""
_RESERVED = "__faust"  # Faust keeps an offset among the tables' keys


class PersonAgent:
    """Handles the events of the person topics. One for each worker."""

    def __init__(self, deps: PersonDeps, decisions: DecisionRunner) -> None:
        self._codec = deps.ports.codec
        self._publisher = deps.ports.publisher
        self._acks = deps.acks
        self._partitions = deps.partitions
        self._decisions = decisions
        self._dead_letters = DeadLetters(STAGE, deps.ports.publisher, deps.ports.codec, deps.ports.clock)

    async def accept(self, event: KafkaEvent) -> None:
        """Start handling one event. Events of one person are handled one after the other, others at once."""
        message = event.message
        try:
            record = self._decode(message)
        except UnprocessableRecord as error:
            await self._acks.run(event, partial(self._dead_letters.publish, error.reason, error.detail))
            return
        key = person_of(record).encode()
        if partition_of(key, self._partitions) == message.partition:
            await self._acks.run(event, partial(self._handle, record), key)
        elif REPARTITIONED in event.headers:
            detail = f"published again under the key {key!r}, and still in the wrong partition"
            await self._acks.run(event, partial(self._dead_letters.publish, DeadLetterReason.MISROUTED, detail))
        else:
            await self._acks.run(event, partial(self._repartition, key))

    def _decode(self, message: KafkaMessage) -> PersonInput:
        value = message.value
        if value is not None and len(value) > MAX_INPUT_BYTES:
            raise UnprocessableRecord(
                DeadLetterReason.TOO_LARGE, f"{len(value)} bytes, at most {MAX_INPUT_BYTES} can be handled"
            )
        try:
            record = cast(PersonInput, self._codec.decode(BY_NAME[message.topic].record, value))
        except DecodeError as error:
            raise UnprocessableRecord(error.reason, error.detail) from error
        person = person_of(record)
        if "\0" in person or person.startswith(_RESERVED):
            raise UnprocessableRecord(DeadLetterReason.BAD_PERSON, f"{person!r} cannot be a key")
        return record

    async def _handle(self, record: PersonInput, event: KafkaEvent) -> None:
        try:
            await self._decisions.run(record, event.message)
        except UnprocessableRecord as error:
            await self._dead_letters.publish(error.reason, error.detail, event)

    async def _repartition(self, key: bytes, event: KafkaEvent) -> None:
        """Publish a record of another partition's person under that person's key."""
        message = event.message
        headers = (*_pairs(message.headers), (REPARTITIONED, b"1"))
        await self._publisher.publish([EncodedRecord(message.topic, key, message.value, headers)])


def _pairs(headers: Headers) -> tuple[tuple[str, bytes], ...]:
    return tuple(headers.items() if isinstance(headers, Mapping) else headers or ())
