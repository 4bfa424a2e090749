"""The person stage's one door: every input concerning a person comes in here and leaves as a decision.

The shell calls the functions in this order: `person_of` (whose partition it belongs in), `messages_wanted` (what to
load), `decide`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from processors.core.inbound import auto_reply
from processors.core.inbound.meaning import Meaning, interpret
from processors.core.person import ambiguity, intake, lifecycle, outbox, rules
from processors.core.person import consent as consents
from processors.core.person.decision import (
    Decision,
    OutgoingRecord,
    PersonInput,
    PersonState,
    SourceOffset,
    UnprocessableRecord,
    WakeUp,
)
from processors.core.policy import Policy
from schemas.records import (
    Action,
    AttemptResult,
    ConsentChange,
    ConsentState,
    InboundMessage,
    ListEntry,
    Outcome,
    SendRequest,
    TwilioCallback,
)
from schemas.states import ConsentRecord, MessageState, StatusReport
from schemas.topics import SMS_REQUESTS

_TWILIO = "twilio"
"""The channel of what Twilio or a carrier knows."""


def person_of(record: PersonInput) -> str:
    """Whose partition the input belongs in: a number in E.164, or whatever stands in its place."""
    return record.to if isinstance(record, SendRequest) else record.person


def message_needed(record: PersonInput) -> str | None:
    """The one message an input concerns, or None: all of the person's."""
    if isinstance(record, SendRequest):
        return record.message_id
    if isinstance(record, AttemptResult) and record.action is Action.SEND:
        return record.message_id
    if isinstance(record, TwilioCallback):
        return _message_named(record)
    return None


def decide(record: PersonInput, person: PersonState, origin: SourceOffset, policy: Policy, now: datetime) -> Decision:
    """What follows from one input. Raises UnprocessableRecord for one that belongs in the dead letter."""
    match record:
        case SendRequest():
            return _on_request(record, person, origin, policy, now)
        case AttemptResult():
            return _on_attempt_result(record, person, origin, policy, now)
        case TwilioCallback():
            return _on_callback(record, person, origin, policy, now)
        case ListEntry():
            return _on_list_entry(record, person, origin, policy, now)
        case InboundMessage():
            return _on_inbound(record, person, policy, now)
        case ConsentChange():
            return _on_consent_change(person, record, now)
        case WakeUp():
            return _on_wake_up(record, person, policy, now)


def _on_request(
    request: SendRequest, person: PersonState, origin: SourceOffset, policy: Policy, now: datetime
) -> Decision:
    known = person.messages.get(request.message_id)
    if known is None:
        return _changed(person, None, lifecycle.accept_request(request, person.consent, policy, now), origin)
    if _read_again(known, origin):
        return _repeat(person, known)
    if request.replay_id is not None:
        return _changed(person, known, lifecycle.apply_replay(known, request, person.consent, policy, now), origin)
    if known.request_hash != intake.content_hash(request):
        raise UnprocessableRecord(
            "conflicting_message_id", f"message_id {known.message_id!r}: already used for another message"
        )
    return Decision()


def _on_attempt_result(
    result: AttemptResult, person: PersonState, origin: SourceOffset, policy: Policy, now: datetime
) -> Decision:
    known = _known(person, result.message_id)
    if _read_again(known, origin):
        return _repeat(person, known)
    if result.action is Action.LOOK_UP and result.outcome is Outcome.ACCEPTED:
        result = _check_ambiguity(result, person, known)
    new = lifecycle.apply_buffered(lifecycle.apply_result(known, result, policy, now), policy, now)
    decision = _changed(person, known, new, origin)
    return _opted_out_at_twilio(decision, person, known, policy, result.answered_at)


def _check_ambiguity(result: AttemptResult, person: PersonState, known: MessageState) -> AttemptResult:
    """What a message found in the list proves: it may be another attempt's of this person, with the same text."""
    others = [message for message in person.messages.values() if message is not known]
    if result.sid in set(_sids_of(others)):
        return replace(result, outcome=Outcome.UNKNOWN, reason=lifecycle.CLAIMED_ELSEWHERE, sid=None)
    if any(ambiguity.ambiguous_with(known, result.attempt, other) for other in others):
        return replace(result, outcome=Outcome.UNKNOWN, reason="ambiguous", sid=None)
    return result


def _on_callback(
    callback: TwilioCallback, person: PersonState, origin: SourceOffset, policy: Policy, now: datetime
) -> Decision:
    named = outbox.split_attempt_id(callback.attempt_id or "") or _of_sid(person, callback.message_sid)
    if named is None:
        return Decision()  # an event of the whole account: a message of others, or one the list will settle
    known = _known(person, named[0])
    if _read_again(known, origin):
        return _repeat(person, known)
    report = StatusReport(
        attempt=named[1], status=callback.status, error_code=callback.error_code, at=callback.received_at
    )
    new = lifecycle.apply_buffered(
        lifecycle.apply_status(known, report, callback.message_sid, policy, now), policy, now
    )
    return _opted_out_at_twilio(_changed(person, known, new, origin), person, known, policy, callback.received_at)


def _on_list_entry(
    entry: ListEntry, person: PersonState, origin: SourceOffset, policy: Policy, now: datetime
) -> Decision:
    """Twilio's list shows all of the account's messages: one that is none of ours says nothing."""
    found = _of_sid(person, entry.message_sid)
    if found is None:
        return _buffer_entry(entry, person)
    known = person.messages[found[0]]
    if _read_again(known, origin):
        return _repeat(person, known)
    decision = _changed(person, known, lifecycle.apply_list_entry(known, found[1], entry, policy, now), origin)
    return _opted_out_at_twilio(decision, person, known, policy, entry.read_at)


def _buffer_entry(entry: ListEntry, person: PersonState) -> Decision:
    """The list is quicker than an answer or a callback: it says this once, so whoever may be meant keeps it."""
    doubtful = (known for known in person.messages.values() if lifecycle.has_open_attempt(known))
    return Decision(messages=tuple(lifecycle.buffer_entry(known, entry) for known in doubtful))


def _on_inbound(inbound: InboundMessage, person: PersonState, policy: Policy, now: datetime) -> Decision:
    meaning = interpret(inbound.body, inbound.opt_out_type, policy.keywords).meaning
    if meaning is Meaning.STATUS:
        request = auto_reply.status_reply(inbound, frozenset(policy.senders), policy.texts)
        return Decision(records=(OutgoingRecord(SMS_REQUESTS, inbound.person, request),))
    if meaning not in (Meaning.STOP, Meaning.START):
        return Decision()
    if meaning is Meaning.START and not person.consent.history:
        return Decision()  # a plain "yes" is on Twilio's list of words: it opens only what was closed
    change = ConsentChange(
        change_id=inbound.message_sid,
        person=inbound.person,
        state=ConsentState.OPTED_OUT if meaning is Meaning.STOP else ConsentState.OPTED_IN,
        channel="sms",
        evidence=inbound.body,
        occurred_at=inbound.received_at,
    )
    return _on_consent_change(person, change, now)


def _on_consent_change(person: PersonState, change: ConsentChange, now: datetime) -> Decision:
    """Consent is written first; what waits for the person is cancelled by the same write."""
    consent = consents.apply_change(person.consent, change)
    told: list[OutgoingRecord] = consents.revocations(consent, change.scope)
    changed = []
    for known in person.messages.values():
        new = lifecycle.cancel_if_refused(known, consent, now)
        if new is not known:
            changed.append(new)
            told += outbox.added(known, new, frozenset())
        elif consent is person.consent and known.failure == rules.OPTED_OUT:
            told += outbox.all_records(known, frozenset())  # read again: the first telling may have been lost
    return Decision(consent if consent is not person.consent else None, tuple(changed), tuple(told))


def _on_wake_up(wake: WakeUp, person: PersonState, policy: Policy, now: datetime) -> Decision:
    known = person.messages.get(wake.message_id)
    if known is None:
        return Decision()
    new = lifecycle.wake_up(known, person.consent, policy, now)
    if new is known:
        return _repeat(person, known)
    return Decision(messages=(new,), records=tuple(outbox.added(known, new, _sids(person, except_for=known))))


def _changed(person: PersonState, old: MessageState | None, new: MessageState, origin: SourceOffset) -> Decision:
    """Save the new state, with the place its input was read from, and publish what it adds."""
    if new is old:
        return Decision()
    saved = replace(new, applied_offsets={**new.applied_offsets, origin.topic: origin.offset})
    return Decision(messages=(saved,), records=tuple(outbox.added(old, saved, _sids(person, except_for=saved))))


def _repeat(person: PersonState, known: MessageState) -> Decision:
    """Say and save everything once more: after a crash neither the publishing nor the saving may have been complete."""
    told = outbox.all_records(known, _sids(person, except_for=known))
    if known.failure == rules.OPTED_OUT or _stopped(person, known):
        told += consents.revocations(person.consent, consents.ALL)
    return Decision(messages=(known,), records=tuple(told))


def _stopped(person: PersonState, known: MessageState) -> bool:
    """Whether a report on this message was a STOP."""
    ours = {outbox.attempt_id(known.message_id, attempt.attempt) for attempt in known.attempts}
    return any(entry.channel == _TWILIO and entry.source_id in ours for entry in person.consent.history)


def _read_again(known: MessageState, origin: SourceOffset) -> bool:
    """Whether this very record was applied before a crash: its outputs may not have been published."""
    return origin.offset <= known.applied_offsets.get(origin.topic, -1)


def _known(person: PersonState, message_id: str) -> MessageState:
    known = person.messages.get(message_id)
    if known is None:
        raise UnprocessableRecord(
            "unknown_message", f"no message {message_id!r} of {person.number} is known (any more)"
        )
    return known


def _message_named(callback: TwilioCallback) -> str | None:
    named = outbox.split_attempt_id(callback.attempt_id or "")
    return named[0] if named else None


def _of_sid(person: PersonState, sid: str) -> tuple[str, int] | None:
    """The message and the attempt's number that Twilio knows by this SID, if it is one of ours."""
    attempts = ((message.message_id, attempt) for message in person.messages.values() for attempt in message.attempts)
    return next(((message_id, attempt.attempt) for message_id, attempt in attempts if attempt.sid == sid), None)


def _sids(person: PersonState, *, except_for: MessageState) -> frozenset[str]:
    """SIDs that belong to the person's other messages."""
    others = (message for message in person.messages.values() if message.message_id != except_for.message_id)
    return frozenset(_sids_of(others))


def _sids_of(several: Iterable[MessageState]) -> Iterable[str]:
    return (attempt.sid for message in several for attempt in message.attempts if attempt.sid is not None)


def _opted_out_at_twilio(
    decision: Decision, person: PersonState, old: MessageState, policy: Policy, at: datetime
) -> Decision:
    """Twilio or a carrier knows of a STOP that never reached us (21610, a toll-free 30004): it counts here too.

    Also where another report says the text was delivered: whichever came first, no more is sent.
    """
    new = next(iter(decision.messages), old)
    known = lifecycle.opt_out_codes(old, policy)
    told = next(
        ((number, code) for number, code in lifecycle.opt_out_codes(new, policy).items() if number not in known), None
    )
    if told is None:
        return decision
    number, code = told
    change = ConsentChange(
        change_id=outbox.attempt_id(new.message_id, number),
        person=person.number,
        state=ConsentState.OPTED_OUT,
        channel=_TWILIO,
        evidence=f"error {code}",
        occurred_at=at,
    )
    others = {key: message for key, message in person.messages.items() if key != new.message_id}
    stopped = _on_consent_change(PersonState(person.number, person.consent, others), change, at)
    return Decision(
        stopped.consent,
        (*decision.messages, *stopped.messages),
        (*stopped.records, *decision.records),
    )


def empty_consent(number: str) -> ConsentRecord:
    """Of a person who never said anything."""
    return ConsentRecord(person=number)
