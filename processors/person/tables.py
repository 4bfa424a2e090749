"""The person stage's tables. All of one person's entries are in one partition.

=========  ====================================  ==================================
consent    person                                ConsentRecord
messages   person NUL message_id                 MessageState
schedule   due, 8 bytes of ms; messages' key     ``1``
=========  ====================================  ==================================
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from processors.core.person.consent import empty_consent
from processors.core.person.decision import Decision, PersonState, WakeUp
from processors.person.state_cache import StateCache
from processors.streaming import durable_table
from processors.streaming.app import StageApp
from processors.streaming.durable_table import Changes
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.states import ConsentRecord, MessageState, Phase

logger = logging.getLogger(__name__)

TABLES: Mapping[str, type] = {"consent": ConsentRecord, "messages": MessageState, "schedule": bytes}
SEPARATOR = b"\0"
_AFTER_SEPARATOR = b"\1"
_DUE = struct.Struct(">Q")
_ENTRY = b"1"
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MS = timedelta(milliseconds=1)
_FIRST = b""
_LAST = b"\xff" * 5  # no UTF-8 text starts like this


@dataclass(frozen=True, slots=True)
class DueWakeUp:
    """A wake-up whose time has come, and the key of its entry in the schedule."""

    key: bytes
    wake_up: WakeUp


@dataclass(frozen=True, slots=True)
class PersonChanges:
    """What a decision writes, as bytes: for each table, key → new value, None to delete."""

    consent: Changes
    messages: Changes
    schedule: Changes


class PersonTables:
    """The tables of one app. Methods that are not coroutines only read, and read one partition."""

    def __init__(self, app: StageApp, codec: Codec) -> None:
        self._codec = codec
        self._cache = StateCache(codec)
        self._consent = app.durable_table("consent")
        self._messages = app.durable_table("messages")
        self._schedule = app.durable_table("schedule")

    def load(self, partition: int, person: str, message_id: str | None) -> PersonState:
        """One person's consent and messages.

        Args:
            partition: The person's partition.
            person: The person's number, E.164.
            message_id: The one message to load, if there is one. None: all of the person's messages.

        Raises:
            DecodeError: A table value cannot be read.
        """
        consent = durable_table.read_key(self._consent, partition, person.encode())
        return PersonState(
            person,
            empty_consent(person) if consent is None else self._codec.decode(ConsentRecord, consent),
            self._all_messages(partition, person)
            if message_id is None
            else self._one_message(partition, person, message_id),
        )

    def changes(self, state: PersonState, decision: Decision, own_entry: bytes | None = None) -> PersonChanges:
        """What a decision writes: only what differs. A message's entry in the schedule follows its ``wake_at``.

        Args:
            state: The person before the decision.
            decision: The decision.
            own_entry: The schedule's entry of the wake-up that was decided on. It is left alone: ``unschedule`` removes
                it when the decision is published.

        Raises:
            EncodeError: A value cannot be encoded.
        """
        consent: dict[bytes, bytes | None] = {}
        messages: dict[bytes, bytes | None] = {}
        schedule: dict[bytes, bytes | None] = {}
        if decision.consent is not None:
            consent[state.number.encode()] = self._codec.encode(decision.consent)
        for message in decision.messages:
            key = message_key(state.number, message.message_id)
            messages[key] = self._cache.encode(key, message)
            schedule.update(_schedule_changes(key, state.messages.get(message.message_id), message))
        if own_entry is not None:
            schedule.pop(own_entry, None)
        return PersonChanges(consent, messages, schedule)

    async def save(self, changes: PersonChanges) -> None:
        """Save changes, inside an event's context only. Returns when the broker has all of them.

        Raises:
            ChangelogWriteFailed: The broker may not have all of them.
        """
        await durable_table.write_all(
            [(self._consent, changes.consent), (self._messages, changes.messages), (self._schedule, changes.schedule)]
        )

    def due_wake_ups(self, partition: int, now: datetime, limit: int) -> list[DueWakeUp]:
        """Up to ``limit`` wake-ups whose time has come, the earliest first."""
        entries = durable_table.scan_keys(self._schedule, partition, _FIRST, _DUE.pack(_ms(now) + 1))
        return [DueWakeUp(key, _wake_up_of(key)) for key, _ in islice(entries, limit)]

    async def unschedule(self, due: DueWakeUp, message: MessageState | None, again_at: datetime) -> None:
        """Remove the entry of a wake-up that was handled.

        If the message still waits for a time, the entry of that time is written once more: a crash may have come
        between the writes of the message and of its entry.

        Args:
            due: The wake-up.
            message: The wake-up's message as it is now, if it exists.
            again_at: Takes the place of the message's ``wake_at`` if that is the very entry to remove.

        Raises:
            ChangelogWriteFailed: The broker may not have all of it.
        """
        changes: dict[bytes, bytes | None] = {due.key: None}
        wanted = None if message is None else schedule_entry(due.wake_up.person, message)
        if wanted is not None:
            changes[schedule_key(again_at, due.key[_DUE.size :]) if wanted == due.key else wanted] = _ENTRY
        await durable_table.write(self._schedule, changes)

    async def schedule(self, message: MessageState, at: datetime) -> None:
        """Schedule a wake-up of a message, whatever its ``wake_at``.

        Raises:
            ChangelogWriteFailed: The broker may not have it.
        """
        key = schedule_key(at, message_key(message.request.to, message.message_id))
        await durable_table.write(self._schedule, {key: _ENTRY})

    async def postpone(self, due: DueWakeUp, until: datetime) -> None:
        """Let a wake-up come again at a later time.

        Raises:
            ChangelogWriteFailed: The broker may not have all of it.
        """
        await durable_table.write(self._schedule, {due.key: None, schedule_key(until, due.key[_DUE.size :]): _ENTRY})

    def scan_messages(self, partition: int, after: bytes, count: int) -> tuple[list[MessageState], bytes | None]:
        """The next messages of a partition, in the order of their keys. Values that cannot be read are logged.

        Args:
            partition: The partition.
            after: The key that the last call read last; empty at the beginning.
            count: How many values to read.

        Returns:
            The messages, and the key read last; None at the table's end.
        """
        found: list[MessageState] = []
        last = None
        for last, value in islice(durable_table.scan_keys(self._messages, partition, after + SEPARATOR, _LAST), count):
            try:
                found.append(self._codec.decode(MessageState, value))
            except DecodeError:
                logger.exception("the message state under %r cannot be read and stays in the table", last)
        return found, last

    async def delete_message(self, partition: int, person: str, message_id: str, before: datetime) -> None:
        """Delete a message, if it still is finished and unchanged since ``before``.

        Raises:
            DecodeError: The message's state cannot be read.
            ChangelogWriteFailed: The broker may not have the deletion.
        """
        key = message_key(person, message_id)
        value = durable_table.read_key(self._messages, partition, key)
        if value is not None and is_deletable(self._codec.decode(MessageState, value), before):
            await durable_table.write(self._messages, {key: None})

    def _one_message(self, partition: int, person: str, message_id: str) -> dict[str, MessageState]:
        key = message_key(person, message_id)
        value = durable_table.read_key(self._messages, partition, key)
        return {} if value is None else {message_id: self._cache.decode(key, value)}

    def _all_messages(self, partition: int, person: str) -> dict[str, MessageState]:
        start, stop = person.encode() + SEPARATOR, person.encode() + _AFTER_SEPARATOR
        entries = durable_table.scan_keys(self._messages, partition, start, stop)
        states = (self._cache.decode(key, value) for key, value in entries)
        return {state.message_id: state for state in states}


def message_key(person: str, message_id: str) -> bytes:
    """The key of a message: all of one person's messages stand together."""
    return person.encode() + SEPARATOR + message_id.encode()


def schedule_key(at: datetime, key: bytes) -> bytes:
    """The key of a wake-up: the earliest stands first. Whole milliseconds, as in the records."""
    return _DUE.pack(max(_ms(at), 0)) + key


def schedule_entry(person: str, message: MessageState) -> bytes | None:
    """The key of a message's entry in the schedule. None if the message waits for no time."""
    if message.wake_at is None:
        return None
    return schedule_key(message.wake_at, message_key(person, message.message_id))


def is_deletable(state: MessageState, before: datetime) -> bool:
    """Whether a message finished before that time."""
    return state.phase is Phase.FINISHED and state.wake_at is None and state.updated_at < before


def _schedule_changes(key: bytes, old: MessageState | None, new: MessageState) -> dict[bytes, bytes | None]:
    """Remove the old entry and write the new one, also where it is the same: a crash may have lost it."""
    changes: dict[bytes, bytes | None] = {}
    if old is not None and old.wake_at is not None:
        changes[schedule_key(old.wake_at, key)] = None
    if new.wake_at is not None:
        changes[schedule_key(new.wake_at, key)] = _ENTRY
    return changes


def _wake_up_of(schedule_key: bytes) -> WakeUp:
    person, _, message_id = schedule_key[_DUE.size :].partition(SEPARATOR)
    return WakeUp(person.decode(), message_id.decode())


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // _MS
