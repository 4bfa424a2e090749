"""The person stage: decode, load, *decide*, save, publish, acknowledge; what a text message is stands in the core.

The save is durable before anything is published, and what is published is delivered before the input is acknowledged.
A failing decision is the record's fault: it goes to the dead letter and the stream goes on. A failing save or publish
is the broker's: then the worker stops and the record is read again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from processors.core.person.decide import message_id_needed, person_of
from processors.core.person.decision import PersonInput, PersonState, SourceOffset, UnprocessableRecord
from processors.person.dead_letters import dead_letter, error_summary
from processors.person.dependencies import PersonDeps, encode, save_and_publish
from processors.person.tables import PersonChanges
from processors.streaming.kafka_message import KafkaEvent
from processors.streaming.partitioner import partition_of
from schemas.codec import EncodedRecord
from schemas.errors import DecodeError
from schemas.topics import BY_NAME

logger = logging.getLogger(__name__)

REPARTITIONED = "smsflow-rekeyed"
"""A header: a record is put back under its person's key once, not for ever."""
LARGEST = 512 * 1024
"""Bytes of an input: its state and its events repeat it and must fit the broker's limit of a record, 1 MiB."""
_RESERVED = "__faust"  # Faust keeps an offset among the tables' keys


class PersonAgent:
    """Handles the events of the person topics."""

    def __init__(self, parts: PersonDeps) -> None:
        self._parts = parts

    async def accept(self, event: KafkaEvent) -> None:
        """Start handling one event. Those of one person are handled one after the other."""
        message, acks = event.message, self._parts.acks
        try:
            record = self._decoded(message)
        except UnprocessableRecord as error:
            await acks.run(event, partial(self._bury, error.reason, error.detail))
            return
        person = person_of(record).encode()
        if partition_of(person, self._parts.partitions) == message.partition:
            await acks.run(event, partial(self._handle, record), person)
        elif REPARTITIONED in event.headers:
            await acks.run(event, partial(self._bury, "misrouted", f"put back under {person!r} and here again"))
        else:
            await acks.run(event, partial(self._put_back, person))

    def _decoded(self, message: Any) -> PersonInput:
        value = message.value
        if value is not None and len(value) > LARGEST:
            raise UnprocessableRecord("too_large", f"{len(value)} bytes, at most {LARGEST} can be handled")
        try:
            record = cast(PersonInput, self._parts.codec.decode(BY_NAME[message.topic].record, value))
        except DecodeError as error:
            raise UnprocessableRecord(error.reason, error.detail) from error
        person = person_of(record)
        if "\0" in person or person.startswith(_RESERVED):
            raise UnprocessableRecord("bad_person", f"{person!r} cannot be a key")
        return record

    async def _handle(self, record: PersonInput, event: KafkaEvent) -> None:
        message = event.message
        try:
            changes, said = self._decided(record, message, self._loaded(record, message))
        except UnprocessableRecord as error:
            await self._bury(error.reason, error.detail, event)
            return
        await save_and_publish(self._parts, message, changes, said)

    def _loaded(self, record: PersonInput, message: Any) -> PersonState:
        try:
            return self._parts.tables.load(message.partition, person_of(record), message_id_needed(record))
        except DecodeError as error:
            logger.exception("the state of %s cannot be read", person_of(record))
            raise UnprocessableRecord("unreadable_state", str(error)) from error

    def _decided(
        self, record: PersonInput, message: Any, person: PersonState
    ) -> tuple[PersonChanges, list[EncodedRecord]]:
        """Decide and encode: all that can fail by the record's fault. Raises UnprocessableRecord for such a failure."""
        parts = self._parts
        origin = SourceOffset(message.topic, message.offset)
        try:
            decision = parts.decide(record, person, origin, parts.policy, parts.clock.now())
            return parts.tables.changes(person, decision), encode(parts, decision)
        except UnprocessableRecord:
            raise
        except Exception as error:
            logger.exception("no decision on %s/%d, offset %d", message.topic, message.partition, message.offset)
            raise UnprocessableRecord("handler_error", error_summary(error)) from error

    async def _bury(self, reason: str, detail: str, event: KafkaEvent) -> None:
        parts = self._parts
        letter = dead_letter(parts.codec, event.message, reason, detail, parts.clock.now())
        await parts.publisher().publish([letter])

    async def _put_back(self, person: bytes, event: KafkaEvent) -> None:
        message = event.message
        headers = (*_pairs(message.headers), (REPARTITIONED, b"1"))
        await self._parts.publisher().publish([EncodedRecord(message.topic, person, message.value, headers)])


def _pairs(headers: Any) -> tuple[tuple[str, bytes], ...]:
    return tuple(headers.items() if isinstance(headers, Mapping) else headers or ())
