"""The person stage's one door: every input concerning a person comes in here and leaves as a decision.

The shell calls the functions in this order: `person_of` (whose partition it belongs in), `messages_wanted` (what to
load), `decide`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from processors.core import answers, events, intake, messages, rivals, rules
from processors.core import consent as consents
from processors.core.decision import BadRecord, Decision, Origin, Outgoing, Person, PersonInput, Wake
from processors.core.policy import Policy
from processors.core.replies import Meaning, interpret
from schemas.evolve import evolve
from schemas.records import (
    Action,
    AttemptResult,
    ConsentChange,
    ConsentState,
    HistoryEntry,
    InboundMessage,
    Outcome,
    SendRequest,
    TwilioCallback,
)
from schemas.state import ConsentRecord, MessageState, StatusEvidence
from schemas.topics import SMS_REQUESTS

_TWILIO = "twilio"
"""The channel of what Twilio or a carrier knows."""


def person_of(record: PersonInput) -> str:
    """Whose partition the input belongs in: a number in E.164, or whatever stands in its place."""
    return record.to if isinstance(record, SendRequest) else record.person


def messages_wanted(record: PersonInput) -> str | None:
    """The one message an input concerns, or None: all of the person's."""
    if isinstance(record, SendRequest):
        return record.message_id
    if isinstance(record, AttemptResult) and record.action is Action.SEND:
        return record.message_id
    if isinstance(record, TwilioCallback):
        return _message_named(record)
    return None


def decide(record: PersonInput, person: Person, origin: Origin, policy: Policy, now: datetime) -> Decision:
    """What follows from one input. Raises BadRecord for one that belongs in the dead letter."""
    match record:
        case SendRequest():
            return _requested(record, person, origin, policy, now)
        case AttemptResult():
            return _answered(record, person, origin, policy, now)
        case TwilioCallback():
            return _called_back(record, person, origin, policy, now)
        case HistoryEntry():
            return _listed(record, person, origin, policy, now)
        case InboundMessage():
            return _texted(record, person, policy, now)
        case ConsentChange():
            return _consent_changed(person, record, now)
        case Wake():
            return _woken(record, person, policy, now)


def _requested(request: SendRequest, person: Person, origin: Origin, policy: Policy, now: datetime) -> Decision:
    known = person.messages.get(request.message_id)
    if known is None:
        return _told(person, None, messages.received(request, person.consent, policy, now), origin)
    if _read_again(known, origin):
        return _retold(person, known)
    if request.replay_id is not None:
        return _told(person, known, messages.replayed(known, request, person.consent, policy, now), origin)
    if known.request_hash != intake.content_hash(request):
        raise BadRecord("conflicting_message_id", f"message_id {known.message_id!r}: already used for another message")
    return Decision()


def _answered(result: AttemptResult, person: Person, origin: Origin, policy: Policy, now: datetime) -> Decision:
    known = _known(person, result.message_id)
    if _read_again(known, origin):
        return _retold(person, known)
    if result.action is Action.LOOK_UP and result.outcome is Outcome.ACCEPTED:
        result = _weighed(result, person, known)
    new = messages.claimed(messages.answered(known, result, policy, now), policy, now)
    decision = _told(person, known, new, origin)
    return _opted_out_at_twilio(decision, person, known, policy, result.answered_at)


def _weighed(result: AttemptResult, person: Person, known: MessageState) -> AttemptResult:
    """What a message found in the list proves: it may be another attempt's of this person, with the same text."""
    others = [message for message in person.messages.values() if message is not known]
    if result.sid in set(_sids_of(others)):
        return evolve(result, outcome=Outcome.UNKNOWN, reason=messages.ANOTHERS, sid=None)
    if any(rivals.compete(known, result.attempt, other) for other in others):
        return evolve(result, outcome=Outcome.UNKNOWN, reason="ambiguous", sid=None)
    return result


def _called_back(callback: TwilioCallback, person: Person, origin: Origin, policy: Policy, now: datetime) -> Decision:
    named = events.split_attempt_id(callback.attempt_id or "") or _of_sid(person, callback.message_sid)
    if named is None:
        return Decision()  # an event of the whole account: a message of others, or one the list will settle
    known = _known(person, named[0])
    if _read_again(known, origin):
        return _retold(person, known)
    report = StatusEvidence(
        attempt=named[1], status=callback.status, error_code=callback.error_code, at=callback.received_at
    )
    new = messages.claimed(messages.reported(known, report, callback.message_sid, policy, now), policy, now)
    return _opted_out_at_twilio(_told(person, known, new, origin), person, known, policy, callback.received_at)


def _listed(entry: HistoryEntry, person: Person, origin: Origin, policy: Policy, now: datetime) -> Decision:
    """Twilio's list shows all of the account's messages: one that is none of ours says nothing."""
    found = _of_sid(person, entry.message_sid)
    if found is None:
        return _set_aside(entry, person)
    known = person.messages[found[0]]
    if _read_again(known, origin):
        return _retold(person, known)
    decision = _told(person, known, messages.shown(known, found[1], entry, policy, now), origin)
    return _opted_out_at_twilio(decision, person, known, policy, entry.read_at)


def _set_aside(entry: HistoryEntry, person: Person) -> Decision:
    """The list is quicker than an answer or a callback: it says this once, so whoever may be meant keeps it."""
    doubtful = (known for known in person.messages.values() if messages.in_doubt(known))
    return Decision(messages=tuple(messages.kept(known, entry) for known in doubtful))


def _texted(inbound: InboundMessage, person: Person, policy: Policy, now: datetime) -> Decision:
    meaning = interpret(inbound.body, inbound.opt_out_type, policy.keywords).meaning
    if meaning is Meaning.STATUS:
        request = answers.status_answer(inbound, frozenset(policy.senders), policy.texts)
        return Decision(records=(Outgoing(SMS_REQUESTS, inbound.person, request),))
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
    return _consent_changed(person, change, now)


def _consent_changed(person: Person, change: ConsentChange, now: datetime) -> Decision:
    """Consent is written first; what waits for the person is cancelled by the same write."""
    consent = consents.apply(person.consent, change)
    told: list[Outgoing] = consents.revocations(consent, change.scope)
    changed = []
    for known in person.messages.values():
        new = messages.cancelled(known, consent, now)
        if new is not known:
            changed.append(new)
            told += events.news(known, new, frozenset())
        elif consent is person.consent and known.failure == rules.OPTED_OUT:
            told += events.everything(known, frozenset())  # read again: the first telling may have been lost
    return Decision(consent if consent is not person.consent else None, tuple(changed), tuple(told))


def _woken(wake: Wake, person: Person, policy: Policy, now: datetime) -> Decision:
    known = person.messages.get(wake.message_id)
    if known is None:
        return Decision()
    new = messages.woken(known, person.consent, policy, now)
    if new is known:
        return _retold(person, known)
    return Decision(messages=(new,), records=tuple(events.news(known, new, _sids(person, except_for=known))))


def _told(person: Person, old: MessageState | None, new: MessageState, origin: Origin) -> Decision:
    """Save the new state, with the place its input was read from, and publish what it adds."""
    if new is old:
        return Decision()
    saved = evolve(new, applied={**new.applied, origin.topic: origin.offset})
    return Decision(messages=(saved,), records=tuple(events.news(old, saved, _sids(person, except_for=saved))))


def _retold(person: Person, known: MessageState) -> Decision:
    """Say and save everything once more: after a crash neither the publishing nor the saving may have been complete."""
    told = events.everything(known, _sids(person, except_for=known))
    if known.failure == rules.OPTED_OUT or _stopped(person, known):
        told += consents.revocations(person.consent, consents.ALL)
    return Decision(messages=(known,), records=tuple(told))


def _stopped(person: Person, known: MessageState) -> bool:
    """Whether a report on this message was a STOP."""
    ours = {events.attempt_id(known.message_id, attempt.attempt) for attempt in known.attempts}
    return any(entry.channel == _TWILIO and entry.source_id in ours for entry in person.consent.history)


def _read_again(known: MessageState, origin: Origin) -> bool:
    """Whether this very record was applied before a crash: its outputs may not have been published."""
    return origin.offset <= known.applied.get(origin.topic, -1)


def _known(person: Person, message_id: str) -> MessageState:
    known = person.messages.get(message_id)
    if known is None:
        raise BadRecord("unknown_message", f"no message {message_id!r} of {person.number} is known (any more)")
    return known


def _message_named(callback: TwilioCallback) -> str | None:
    named = events.split_attempt_id(callback.attempt_id or "")
    return named[0] if named else None


def _of_sid(person: Person, sid: str) -> tuple[str, int] | None:
    """The message and the attempt's number that Twilio knows by this SID, if it is one of ours."""
    attempts = ((message.message_id, attempt) for message in person.messages.values() for attempt in message.attempts)
    return next(((message_id, attempt.attempt) for message_id, attempt in attempts if attempt.sid == sid), None)


def _sids(person: Person, *, except_for: MessageState) -> frozenset[str]:
    """SIDs that belong to the person's other messages."""
    others = (message for message in person.messages.values() if message.message_id != except_for.message_id)
    return frozenset(_sids_of(others))


def _sids_of(several: Iterable[MessageState]) -> Iterable[str]:
    return (attempt.sid for message in several for attempt in message.attempts if attempt.sid is not None)


def _opted_out_at_twilio(
    decision: Decision, person: Person, old: MessageState, policy: Policy, at: datetime
) -> Decision:
    """Twilio or a carrier knows of a STOP that never reached us (21610, a toll-free 30004): it counts here too.

    Also where another report says the text was delivered: whichever came first, no more is sent.
    """
    new = next(iter(decision.messages), old)
    known = messages.stops(old, policy)
    told = next(((number, code) for number, code in messages.stops(new, policy).items() if number not in known), None)
    if told is None:
        return decision
    number, code = told
    change = ConsentChange(
        change_id=events.attempt_id(new.message_id, number),
        person=person.number,
        state=ConsentState.OPTED_OUT,
        channel=_TWILIO,
        evidence=f"error {code}",
        occurred_at=at,
    )
    others = {key: message for key, message in person.messages.items() if key != new.message_id}
    stopped = _consent_changed(Person(person.number, person.consent, others), change, at)
    return Decision(
        stopped.consent,
        (*decision.messages, *stopped.messages),
        (*stopped.records, *decision.records),
    )


def empty_consent(number: str) -> ConsentRecord:
    """Of a person who never said anything."""
    return ConsentRecord(person=number)
