"""The values that go into the person stage's core and come out of it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from schemas.records import AttemptResult, ConsentChange, InboundMessage, ListEntry, Record, SendRequest, TwilioCallback
from schemas.states import ConsentRecord, MessageState
from schemas.topics import Topic


class UnprocessableRecord(Exception):
    """A record that can never be handled and belongs in its topic's dead-letter topic.

    Attributes:
        reason: The reason of the dead letter.
        detail: What is wrong, and how upstream can put it right.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class WakeUp(Struct, frozen=True):
    """The input of the schedule: the time a message was waiting for has come.

    No Kafka record stands behind a wake-up. The shell therefore deletes the schedule's entry only after the decision
    was published: after a crash in between, the same wake-up comes again and finds the decision in the message's state.
    """

    person: str
    message_id: str


PersonInput = SendRequest | ConsentChange | InboundMessage | TwilioCallback | AttemptResult | ListEntry | WakeUp


class SourceOffset(Struct, frozen=True):
    """The place in Kafka that an input was read from."""

    topic: str
    offset: int


NO_SOURCE = SourceOffset("", -1)
"""The place of a wake-up, which no Kafka record stands behind."""


class PersonState(Struct, frozen=True):
    """What is known of one person: consent, and the messages that an input concerns.

    Attributes:
        number: The person's number in E.164.
        messages: ``message_id`` to state: the one message ``message_id_needed`` names, or all where it names none.
    """

    number: str
    consent: ConsentRecord
    messages: Mapping[str, MessageState] = field(default_factory=dict)


class OutgoingRecord(Struct, frozen=True):
    """One record to publish."""

    topic: Topic
    key: str
    record: Record


class Decision(Struct, frozen=True):
    """What to save (durably, first), then what to publish. An empty decision changes and publishes nothing.

    Attributes:
        consent: The person's new consent, or None where it did not change.
        messages: The new states of messages that changed, or that must be written once more.
        records: What to publish after the save is durable.
    """

    consent: ConsentRecord | None = None
    messages: tuple[MessageState, ...] = ()
    records: tuple[OutgoingRecord, ...] = ()
