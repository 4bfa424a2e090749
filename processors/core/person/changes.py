"""From a message's new state to the decision: what to save, and what to publish."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from processors.core.person import consent as consents
from processors.core.person import outbox
from processors.core.person.decision import Decision, PersonState, SourceOffset
from schemas.reasons import FailureReason
from schemas.states import MessageState


def save_change(
    person: PersonState, old: MessageState | None, new: MessageState, source: SourceOffset | None
) -> Decision:
    """Save a message's new state and publish the records it adds. The same object means that nothing changed.

    Args:
        old: None where the message is new.
        source: Where the input was read, stored with the state; None for a wake-up, which is no Kafka record.
    """
    if new is old:
        return Decision()
    if source is not None:
        new = replace(new, applied_offsets={**new.applied_offsets, source.topic: source.offset})
    return Decision(messages=(new,), records=tuple(outbox.added(old, new, sids_of_others(person, new))))


def repeat_all(person: PersonState, message: MessageState) -> Decision:
    """Save and publish everything once more: a crash may have come before the publishing, or before the save."""
    records = outbox.all_records(message, sids_of_others(person, message))
    if message.failure == FailureReason.OPTED_OUT:
        records += consents.revocation_records(person.consent, consents.ALL)
    return Decision(messages=(message,), records=tuple(records))


def is_read_again(message: MessageState, source: SourceOffset) -> bool:
    """Whether this very record was applied before a crash. What it made known may not have been published then."""
    return source.offset <= message.applied_offsets.get(source.topic, -1)


def attempt_with_sid(person: PersonState, sid: str) -> tuple[str, int] | None:
    """The message's id and the number of the attempt that Twilio knows by this SID, or None."""
    attempts = ((message.message_id, attempt) for message in person.messages.values() for attempt in message.attempts)
    return next(((message_id, attempt.attempt) for message_id, attempt in attempts if attempt.sid == sid), None)


def sids_of_others(person: PersonState, message: MessageState) -> frozenset[str]:
    """The SIDs that belong to the person's other messages."""
    return frozenset(_sids(other for other in person.messages.values() if other.message_id != message.message_id))


def _sids(messages: Iterable[MessageState]) -> Iterable[str]:
    return (attempt.sid for message in messages for attempt in message.attempts if attempt.sid is not None)
