"""The person stage's only entrance: every input that concerns a person comes in here and leaves as a decision.

The shell calls, in this order: ``person_of`` (whose partition the input belongs in), ``message_id_needed`` (what to
load), ``decide``.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from processors.core.person import intake, lifecycle
from processors.core.person.ambiguity import is_ambiguous_with
from processors.core.person.attempt_ids import split_attempt_id
from processors.core.person.changes import attempt_with_sid, is_read_again, repeat_all, save_change, sids_of_others
from processors.core.person.decision import (
    Decision,
    PersonInput,
    PersonState,
    SourceOffset,
    UnprocessableRecord,
    WakeUp,
)
from processors.core.person.list_entries import apply_buffered_entries, apply_list_entry, buffer_entry
from processors.core.person.opt_outs import (
    decide_on_consent_change,
    decide_on_inbound,
    repeat_with_twilio_opt_outs,
    with_twilio_opt_out,
)
from processors.core.person.replays import apply_replay
from processors.core.person.settlement import repeat_look_up
from processors.core.person.transitions import has_open_attempt
from processors.core.policy import Policy
from schemas.enums import Action, Outcome
from schemas.reasons import AttemptReason, DeadLetterReason
from schemas.records import AttemptResult, ConsentChange, InboundMessage, ListEntry, SendRequest, TwilioCallback
from schemas.states import MessageState, StatusReport


def person_of(record: PersonInput) -> str:
    """Whose partition the input belongs in: a number in E.164, or whatever the record has in its place."""
    return record.to if isinstance(record, SendRequest) else record.person


def message_id_needed(record: PersonInput) -> str | None:
    """The id of the one message an input concerns, or None where all of the person's messages are needed."""
    if isinstance(record, SendRequest):
        return record.message_id
    if isinstance(record, AttemptResult) and record.action is Action.SEND:
        return record.message_id
    if isinstance(record, TwilioCallback):
        named = split_attempt_id(record.attempt_id or "")
        return named[0] if named else None
    return None


def decide(record: PersonInput, person: PersonState, source: SourceOffset, policy: Policy, now: datetime) -> Decision:
    """What follows from one input.

    Args:
        person: The person, with the messages that ``message_id_needed`` names.
        source: Where the input was read; a record that was applied before is recognized by it.

    Raises:
        UnprocessableRecord: The record can never be handled and belongs in the dead-letter topic.
    """
    match record:
        case SendRequest():
            return _on_request(record, person, source, policy, now)
        case AttemptResult():
            return _on_attempt_result(record, person, source, policy, now)
        case TwilioCallback():
            return _on_callback(record, person, source, policy, now)
        case ListEntry():
            return _on_list_entry(record, person, source, policy, now)
        case InboundMessage():
            return decide_on_inbound(record, person, policy, now)
        case ConsentChange():
            return decide_on_consent_change(record, person, policy, now)
        case WakeUp():
            return _on_wake_up(record, person, policy, now)


def _on_request(
    request: SendRequest, person: PersonState, source: SourceOffset, policy: Policy, now: datetime
) -> Decision:
    message = person.messages.get(request.message_id)
    if message is None:
        return save_change(person, None, lifecycle.apply_request(request, person, policy, now), source)
    if is_read_again(message, source):
        return repeat_all(person, message)
    if request.replay_id is not None:
        return save_change(person, message, apply_replay(message, request, person, policy, now), source)
    if message.request_hash != intake.content_hash(request):
        raise UnprocessableRecord(
            DeadLetterReason.CONFLICTING_MESSAGE_ID,
            f"message_id {message.message_id!r}: already used for another message",
        )
    return Decision()


def _on_attempt_result(
    result: AttemptResult, person: PersonState, source: SourceOffset, policy: Policy, now: datetime
) -> Decision:
    message = _find_message(person, result.message_id)
    if is_read_again(message, source):
        return repeat_with_twilio_opt_outs(person, message, policy, result.answered_at)
    if result.action is Action.LOOK_UP and result.outcome is Outcome.ACCEPTED:
        new = _apply_found(message, result, person, policy, now)
    else:
        new = lifecycle.apply_result(message, result, policy, now)
    new = apply_buffered_entries(new, policy, now)
    decision = save_change(person, message, new, source)
    return with_twilio_opt_out(decision, person, message, policy, result.answered_at)


def _apply_found(
    message: MessageState, result: AttemptResult, person: PersonState, policy: Policy, now: datetime
) -> MessageState:
    """After a look-up that found a message, which may be another attempt's of this person."""
    if result.sid in sids_of_others(person, message):
        return repeat_look_up(message, result, now)
    others = (other for other in person.messages.values() if other is not message)
    if any(is_ambiguous_with(message, result.attempt, other) for other in others):
        result = replace(result, outcome=Outcome.UNKNOWN, reason=AttemptReason.AMBIGUOUS, sid=None)
    return lifecycle.apply_result(message, result, policy, now)


def _on_callback(
    callback: TwilioCallback, person: PersonState, source: SourceOffset, policy: Policy, now: datetime
) -> Decision:
    named = split_attempt_id(callback.attempt_id or "") or attempt_with_sid(person, callback.message_sid)
    if named is None:
        return Decision()  # an event of the whole account: another system's message, or one that the list will settle
    message_id, number = named
    message = _find_message(person, message_id)
    if is_read_again(message, source):
        return repeat_with_twilio_opt_outs(person, message, policy, callback.received_at)
    report = StatusReport(
        attempt=number, status=callback.status, error_code=callback.error_code, at=callback.received_at
    )
    new = lifecycle.apply_status(message, report, callback.message_sid, policy, now)
    new = apply_buffered_entries(new, policy, now)
    decision = save_change(person, message, new, source)
    return with_twilio_opt_out(decision, person, message, policy, callback.received_at)


def _on_list_entry(
    entry: ListEntry, person: PersonState, source: SourceOffset, policy: Policy, now: datetime
) -> Decision:
    """Twilio's list shows all messages of the account: an entry that fits no message of this person is ignored."""
    named = attempt_with_sid(person, entry.message_sid)
    if named is None:
        open_messages = (message for message in person.messages.values() if has_open_attempt(message))
        return Decision(messages=tuple(buffer_entry(message, entry) for message in open_messages))
    message_id, number = named
    message = person.messages[message_id]
    if is_read_again(message, source):
        return repeat_with_twilio_opt_outs(person, message, policy, entry.read_at)
    decision = save_change(person, message, apply_list_entry(message, number, entry, policy, now), source)
    return with_twilio_opt_out(decision, person, message, policy, entry.read_at)


def _on_wake_up(wake_up: WakeUp, person: PersonState, policy: Policy, now: datetime) -> Decision:
    message = person.messages.get(wake_up.message_id)
    if message is None:
        return Decision()
    new = lifecycle.apply_wake_up(message, person, policy, now)
    if new is message:
        return repeat_all(person, message)
    return save_change(person, message, new, None)


def _find_message(person: PersonState, message_id: str) -> MessageState:
    message = person.messages.get(message_id)
    if message is None:
        raise UnprocessableRecord(
            DeadLetterReason.UNKNOWN_MESSAGE, f"no message {message_id!r} of {person.number} is known (any more)"
        )
    return message
