"""The steps of one input: load, decide, save, publish.

The save is durable before anything is published, and what is published is delivered before the input is acknowledged.
So an input that is read twice finds its own decision in the state, and publishes the same records again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import NamedTuple

from processors.core.person.decide import message_id_needed, person_of
from processors.core.person.decision import (
    NO_SOURCE,
    Decision,
    PersonInput,
    PersonState,
    SourceOffset,
    UnprocessableRecord,
)
from processors.person.dependencies import PersonDeps
from processors.person.tables import DueWakeUp, PersonChanges
from processors.streaming.dead_letters import error_summary
from processors.streaming.kafka_message import KafkaEvent, KafkaMessage
from processors.streaming.ownership import ensure_owned
from schemas.codec import EncodedRecord
from schemas.errors import DecodeError
from schemas.reasons import DeadLetterReason
from schemas.states import MessageState

logger = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(minutes=1)
"""When a wake-up comes again that failed, or that changed nothing about a message that waits for just that time."""


class EncodedDecision(NamedTuple):
    """A decision as bytes: what to save, and what to publish after it."""

    changes: PersonChanges
    records: list[EncodedRecord]


class DecisionRunner:
    """Lets the core decide on records and wake-ups, and makes the decisions durable and public."""

    def __init__(self, deps: PersonDeps) -> None:
        self._ports = deps.ports
        self._clock = deps.ports.clock
        self._tables = deps.tables
        self._fence = deps.fence

    async def run(self, record: PersonInput, message: KafkaMessage) -> None:
        """Handle one record of Kafka.

        Args:
            record: The decoded record.
            message: The record's Kafka message.

        Raises:
            UnprocessableRecord: Nothing was saved; the record belongs in the dead letter.
            PartitionLost: The partition is another worker's.
            ChangelogWriteFailed: Something may not be saved; the record must be read again.
            PublishError: Something may not be published; the record must be read again.
        """
        state = self._load(record, message)
        await self._save_and_publish(self._decide(record, message, state), message)

    async def run_wake_up(self, due: DueWakeUp, event: KafkaEvent) -> None:
        """Handle a wake-up whose time has come, and remove it from the schedule. One that fails comes again later.

        Args:
            due: The wake-up and its entry in the schedule.
            event: The tick's event. It is referred to while the wake-up is handled, as Faust refers to it weakly.

        Raises:
            PartitionLost: The partition is another worker's.
            ChangelogWriteFailed: Something may not be saved.
            PublishError: Something may not be published.
        """
        message, message_id = event.message, due.wake_up.message_id
        try:
            state, decision = self._decide_wake_up(due, message)
            encoded = self._encode(state, decision, own_entry=due.key)
        except Exception:
            logger.exception(
                "no decision on the wake-up of message %s, which comes again in %s", message_id, AGAIN_AFTER
            )
            await ensure_owned(self._fence, message)
            await self._tables.postpone(due, self._clock.now() + AGAIN_AFTER)
            return
        await self._save_and_publish(encoded, message)
        waiting = _changed_message(decision, message_id) or state.messages.get(message_id)
        await self._tables.unschedule(due, waiting, self._clock.now() + AGAIN_AFTER)

    def _load(self, record: PersonInput, message: KafkaMessage) -> PersonState:
        person = person_of(record)
        try:
            return self._tables.load(message.partition, person, message_id_needed(record))
        except DecodeError as error:
            logger.exception("the state of %s cannot be read", person)
            raise UnprocessableRecord(DeadLetterReason.UNREADABLE_STATE, str(error)) from error

    def _decide(self, record: PersonInput, message: KafkaMessage, state: PersonState) -> EncodedDecision:
        """Decide and encode: everything that can fail by the record's fault."""
        source = SourceOffset(message.topic, message.offset)
        try:
            decision = self._ports.decide(record, state, source, self._ports.policy, self._clock.now())
            return self._encode(state, decision)
        except UnprocessableRecord:
            raise
        except Exception as error:
            logger.exception("no decision on %s/%d, offset %d", message.topic, message.partition, message.offset)
            raise UnprocessableRecord(DeadLetterReason.HANDLER_ERROR, error_summary(error)) from error

    def _decide_wake_up(self, due: DueWakeUp, message: KafkaMessage) -> tuple[PersonState, Decision]:
        wake_up = due.wake_up
        state = self._tables.load(message.partition, wake_up.person, message_id_needed(wake_up))
        return state, self._ports.decide(wake_up, state, NO_SOURCE, self._ports.policy, self._clock.now())

    def _encode(self, state: PersonState, decision: Decision, own_entry: bytes | None = None) -> EncodedDecision:
        changes = self._tables.changes(state, decision, own_entry)
        return EncodedDecision(
            changes, [self._ports.codec.wire(one.topic, one.key, one.record) for one in decision.records]
        )

    async def _save_and_publish(self, encoded: EncodedDecision, message: KafkaMessage) -> None:
        """Save durably, then publish. Returns when all of it is delivered."""
        await ensure_owned(self._fence, message)
        await self._tables.save(encoded.changes)
        # Published after the partition was lost, these records would follow what the new owner has published since.
        await ensure_owned(self._fence, message)
        await self._ports.publisher.publish(encoded.records)


def _changed_message(decision: Decision, message_id: str) -> MessageState | None:
    return next((message for message in decision.messages if message.message_id == message_id), None)
