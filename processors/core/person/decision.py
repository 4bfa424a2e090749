"""What the person stage's core is given and what it answers: values only, the shell does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.records import AttemptResult, ConsentChange, InboundMessage, ListEntry, Record, SendRequest, TwilioCallback
from schemas.states import ConsentRecord, MessageState
from schemas.topics import Topic


class UnprocessableRecord(Exception):
    """This record can never be handled: it belongs in its topic's dead letter, under a stable ``reason``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class WakeUp:
    """The schedule's own input: the time a message was waiting for has come.

    No record in Kafka stands behind it, so the shell removes the schedule's entry only when what was decided is
    published: after a crash in between the same wake-up comes again and finds its decision in the state.
    """

    person: str
    message_id: str


PersonInput = SendRequest | ConsentChange | InboundMessage | TwilioCallback | AttemptResult | ListEntry | WakeUp


@dataclass(frozen=True, slots=True)
class SourceOffset:
    """Where an input was read; a wake-up comes from the topic ``""`` at offset -1."""

    topic: str
    offset: int


@dataclass(frozen=True, slots=True)
class PersonState:
    """One person as far as an input concerns them: consent, and the messages `messages_wanted` names."""

    number: str
    consent: ConsentRecord
    messages: Mapping[str, MessageState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """One record to publish."""

    topic: Topic
    key: str
    record: Record


@dataclass(frozen=True, slots=True)
class Decision:
    """What to save (durably, first) and what to publish (then). Empty: nothing changes and nothing is said."""

    consent: ConsentRecord | None = None
    messages: tuple[MessageState, ...] = ()
    records: tuple[OutgoingRecord, ...] = ()
