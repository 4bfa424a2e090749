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

from faust.types import EventT

from processors.core.decision import BadRecord, Origin, Person, PersonInput
from processors.core.person import messages_wanted, person_of
from processors.partitions import partition_of
from processors.person.dead_letters import dead_letter, summary
from processors.person.parts import Parts, keep, wires
from processors.person.tables import PersonChanges
from schemas.codec import Wire
from schemas.errors import DecodeError
from schemas.topics import BY_NAME

logger = logging.getLogger(__name__)

REKEYED = "smsflow-rekeyed"
"""A header: a record is put back under its person's key once, not for ever."""
LARGEST = 512 * 1024
"""Bytes of an input: its state and its events repeat it and must fit the broker's limit of a record, 1 MiB."""
_RESERVED = "__faust"  # Faust keeps an offset among the tables' keys


class PersonStage:
    """Handles the events of the person topics."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def accept(self, event: EventT) -> None:
        """Start handling one event. Those of one person are handled one after the other."""
        message, acks = event.message, self._parts.acks
        try:
            record = self._decoded(message)
        except BadRecord as error:
            await acks.run(event, partial(self._bury, error.reason, error.detail))
            return
        person = person_of(record).encode()
        if partition_of(person, self._parts.partitions) == message.partition:
            await acks.run(event, partial(self._handle, record), person)
        elif REKEYED in event.headers:
            await acks.run(event, partial(self._bury, "misrouted", f"put back under {person!r} and here again"))
        else:
            await acks.run(event, partial(self._put_back, person))

    def _decoded(self, message: Any) -> PersonInput:
        value = message.value
        if value is not None and len(value) > LARGEST:
            raise BadRecord("too_large", f"{len(value)} bytes, at most {LARGEST} can be handled")
        try:
            record = cast(PersonInput, self._parts.codec.decode(BY_NAME[message.topic].record, value))
        except DecodeError as error:
            raise BadRecord(error.reason, error.detail) from error
        person = person_of(record)
        if "\0" in person or person.startswith(_RESERVED):
            raise BadRecord("bad_person", f"{person!r} cannot be a key")
        return record

    async def _handle(self, record: PersonInput, event: EventT) -> None:
        message = event.message
        try:
            changes, said = self._decided(record, message, self._loaded(record, message))
        except BadRecord as error:
            await self._bury(error.reason, error.detail, event)
            return
        await keep(self._parts, message, changes, said)

    def _loaded(self, record: PersonInput, message: Any) -> Person:
        try:
            return self._parts.tables.load(message.partition, person_of(record), messages_wanted(record))
        except DecodeError as error:
            logger.exception("the state of %s cannot be read", person_of(record))
            raise BadRecord("unreadable_state", str(error)) from error

    def _decided(self, record: PersonInput, message: Any, person: Person) -> tuple[PersonChanges, list[Wire]]:
        """Everything that can fail by the record's fault, ending in bytes. Raises BadRecord for such a failure."""
        parts = self._parts
        origin = Origin(message.topic, message.offset)
        try:
            decision = parts.decide(record, person, origin, parts.policy, parts.clock.now())
            return parts.tables.changes(person, decision), wires(parts, decision)
        except BadRecord:
            raise
        except Exception as error:
            logger.exception("no decision on %s/%d, offset %d", message.topic, message.partition, message.offset)
            raise BadRecord("handler_error", summary(error)) from error

    async def _bury(self, reason: str, detail: str, event: EventT) -> None:
        parts = self._parts
        letter = dead_letter(parts.codec, event.message, reason, detail, parts.clock.now())
        await parts.publisher().publish([letter])

    async def _put_back(self, person: bytes, event: EventT) -> None:
        message = event.message
        headers = (*_pairs(message.headers), (REKEYED, b"1"))
        await self._parts.publisher().publish([Wire(message.topic, person, message.value, headers)])


def _pairs(headers: Any) -> tuple[tuple[str, bytes], ...]:
    return tuple(headers.items() if isinstance(headers, Mapping) else headers or ())
