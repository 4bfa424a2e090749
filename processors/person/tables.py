"""What the person stage remembers: three tables of one partition each, found by person.

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
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MS = timedelta(milliseconds=1)
_FIRST = b""
_LAST = b"\xff" * 5  # no UTF-8 text starts like this


@dataclass(frozen=True, slots=True)
class Due:
    """A wake-up whose time has come, and the entry of the schedule that says so."""

    key: bytes
    wake: WakeUp


@dataclass(frozen=True, slots=True)
class PersonChanges:
    """What a decision writes, as bytes: table → key → value, None to delete."""

    consent: Changes
    messages: Changes
    schedule: Changes


class PersonTables:
    """The tables of one app. Every method but `save` is synchronous and reads one partition."""

    def __init__(self, app: StageApp, codec: Codec) -> None:
        self._codec = codec
        self._states = StateCache(codec)
        self._consent = app.durable_table("consent")
        self._messages = app.durable_table("messages")
        self._schedule = app.durable_table("schedule")

    def load(self, partition: int, person: str, wanted: str | None) -> PersonState:
        """One person, with the message ``wanted``, or with all of them for None. Raises DecodeError."""
        consent = durable_table.read_key(self._consent, partition, person.encode())
        return PersonState(
            person,
            empty_consent(person) if consent is None else self._codec.decode(ConsentRecord, consent),
            self._all_messages(partition, person) if wanted is None else self._one_message(partition, person, wanted),
        )

    def changes(self, old: PersonState, decision: Decision, keep: bytes | None = None) -> PersonChanges:
        """What a decision writes: only what differs. Raises EncodeError.

        A message's entry in the schedule follows its ``wake_at``; the entry ``keep`` is left alone.
        """
        consent: dict[bytes, bytes | None] = {}
        messages: dict[bytes, bytes | None] = {}
        schedule: dict[bytes, bytes | None] = {}
        if decision.consent is not None:
            consent[old.number.encode()] = self._codec.encode(decision.consent)
        for message in decision.messages:
            key = message_key(old.number, message.message_id)
            messages[key] = self._states.write(key, message)
            schedule.update(_moved(key, old.messages.get(message.message_id), message))
        if keep is not None:
            schedule.pop(keep, None)
        return PersonChanges(consent, messages, schedule)

    async def save(self, changes: PersonChanges) -> None:
        """Return when the broker has all of it. Inside an event's context only. Raises ChangelogWriteFailed."""
        await durable_table.write_all(
            [(self._consent, changes.consent), (self._messages, changes.messages), (self._schedule, changes.schedule)]
        )

    def due(self, partition: int, now: datetime, limit: int) -> list[Due]:
        """Up to ``limit`` wake-ups whose time has come, the earliest first."""
        found = []
        for key, _ in durable_table.scan_keys(self._schedule, partition, _FIRST, _DUE.pack(_ms(now) + 1)):
            found.append(Due(key, _wake(key[_DUE.size :])))
            if len(found) == limit:
                break
        return found

    async def unschedule(self, due: Due, waiting: MessageState | None, again_at: datetime) -> None:
        """Remove a wake-up that was acted upon.

        ``waiting`` is the message if it still waits for a time: that time's entry is made sure of, because a crash may
        have come between the writes of the message and of its entry. If it is the very entry that is removed,
        ``again_at`` takes its place.
        """
        moved: dict[bytes, bytes | None] = {due.key: None}
        wanted = None if waiting is None else scheduled(due.wake.person, waiting)
        if wanted is not None:
            moved[schedule_key(again_at, due.key[_DUE.size :]) if wanted == due.key else wanted] = b"1"
        await durable_table.write(self._schedule, moved)

    async def schedule(self, message: MessageState, at: datetime) -> None:
        """Let a message be looked at although it waits for no time."""
        key = schedule_key(at, message_key(message.request.to, message.message_id))
        await durable_table.write(self._schedule, {key: b"1"})

    async def postpone(self, due: Due, until: datetime) -> None:
        """Let a wake-up come again."""
        await durable_table.write(self._schedule, {due.key: None, schedule_key(until, due.key[_DUE.size :]): b"1"})

    def swept(self, partition: int, after: bytes, rows: int) -> tuple[list[MessageState], bytes | None]:
        """The next ``rows`` messages in the order of their keys.

        ``after`` is the key read last before; the answer's second half is the key read last now, None at the end.
        """
        found: list[MessageState] = []
        last = None
        for last, value in islice(durable_table.scan_keys(self._messages, partition, after + SEPARATOR, _LAST), rows):
            try:
                found.append(self._codec.decode(MessageState, value))
            except DecodeError:
                logger.exception("%r is kept: it cannot be read", last)
        return found, last

    async def drop(self, partition: int, person: str, message_id: str, before: datetime) -> None:
        """Forget a message, if it is still finished and unchanged since ``before``."""
        key = message_key(person, message_id)
        value = durable_table.read_key(self._messages, partition, key)
        if value is not None and droppable(self._codec.decode(MessageState, value), before):
            await durable_table.write(self._messages, {key: None})

    def _one_message(self, partition: int, person: str, message_id: str) -> dict[str, MessageState]:
        key = message_key(person, message_id)
        value = durable_table.read_key(self._messages, partition, key)
        return {} if value is None else {message_id: self._states.read(key, value)}

    def _all_messages(self, partition: int, person: str) -> dict[str, MessageState]:
        start, stop = person.encode() + SEPARATOR, person.encode() + _AFTER_SEPARATOR
        rows = durable_table.scan_keys(self._messages, partition, start, stop)
        states = (self._states.read(key, value) for key, value in rows)
        return {state.message_id: state for state in states}


def message_key(person: str, message_id: str) -> bytes:
    """Where a message is kept: all of one person's stand together."""
    return person.encode() + SEPARATOR + message_id.encode()


def schedule_key(at: datetime, key: bytes) -> bytes:
    """Where a wake-up is kept: the earliest stands first. Milliseconds, as on the wire."""
    return _DUE.pack(max(_ms(at), 0)) + key


def scheduled(person: str, message: MessageState) -> bytes | None:
    """The schedule's entry of a message, if it waits for a time."""
    if message.wake_at is None:
        return None
    return schedule_key(message.wake_at, message_key(person, message.message_id))


def _moved(key: bytes, old: MessageState | None, new: MessageState) -> dict[bytes, bytes | None]:
    """The old entry goes; the new one is written even where it stands: of two writes a crash may have kept one."""
    changes: dict[bytes, bytes | None] = {}
    if old is not None and old.wake_at is not None:
        changes[schedule_key(old.wake_at, key)] = None
    if new.wake_at is not None:
        changes[schedule_key(new.wake_at, key)] = b"1"
    return changes


def _wake(key: bytes) -> WakeUp:
    person, _, message_id = key.partition(SEPARATOR)
    return WakeUp(person.decode(), message_id.decode())


def droppable(state: MessageState, before: datetime) -> bool:
    """Whether a message ended before that time."""
    return state.phase is Phase.FINISHED and state.wake_at is None and state.updated_at < before


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // _MS
