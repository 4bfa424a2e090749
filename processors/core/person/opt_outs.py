"""Inbound texts and consent changes: consent is written first, and what waits for the person ends by the same write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from processors.core.inbound import auto_reply
from processors.core.inbound.meaning import Meaning, interpret
from processors.core.person import consent as consents
from processors.core.person import lifecycle, outbox
from processors.core.person.attempt_ids import join_attempt_id
from processors.core.person.changes import repeat_all
from processors.core.person.decision import Decision, OutgoingRecord, PersonState
from processors.core.person.failures import opt_out_codes
from processors.core.policy import Policy
from schemas.enums import ConsentState
from schemas.reasons import FailureReason
from schemas.records import ConsentChange, InboundMessage
from schemas.states import MessageState
from schemas.topics import SMS_REQUESTS

TWILIO_CHANNEL = "twilio"
"""The consent channel of opt-outs that only Twilio or a carrier knows of."""


def decide_on_inbound(inbound: InboundMessage, person: PersonState, policy: Policy, now: datetime) -> Decision:
    """What follows from a person's text: a consent change, the answer to STATUS, or nothing."""
    meaning = interpret(inbound.body, inbound.opt_out_type, policy.keywords)
    if meaning is Meaning.STATUS:
        request = auto_reply.status_reply(inbound, frozenset(policy.senders), policy.texts)
        return Decision(records=(OutgoingRecord(SMS_REQUESTS, inbound.person, request),))
    if meaning not in (Meaning.STOP, Meaning.START):
        return Decision()
    if meaning is Meaning.START and not person.consent.history:
        return Decision()  # a plain "yes" is one of Twilio's START words; it only takes back an earlier opt-out
    change = ConsentChange(
        change_id=inbound.message_sid,
        person=inbound.person,
        state=ConsentState.OPTED_OUT if meaning is Meaning.STOP else ConsentState.OPTED_IN,
        channel="sms",
        evidence=inbound.body,
        occurred_at=inbound.received_at,
    )
    return decide_on_consent_change(change, person, policy, now)


def decide_on_consent_change(change: ConsentChange, person: PersonState, policy: Policy, now: datetime) -> Decision:
    """What follows from a consent change: the consent, its revocation, and the end of waiting messages it refuses."""
    consent = consents.apply_change(person.consent, change)
    is_read_again = consent is person.consent
    person = replace(person, consent=consent)
    records: list[OutgoingRecord] = consents.revocation_records(consent, change.scope)
    changed = []
    for message in person.messages.values():
        new = lifecycle.apply_consent(message, person, policy, now)
        if new is not message:
            changed.append(new)
            records += outbox.added(message, new, frozenset())
        elif is_read_again and message.failure == FailureReason.OPTED_OUT:
            records += outbox.all_records(message, frozenset())  # the first time may not have been published
    return Decision(None if is_read_again else consent, tuple(changed), tuple(records))


def with_twilio_opt_out(
    decision: Decision, person: PersonState, old: MessageState, policy: Policy, at: datetime
) -> Decision:
    """The decision, and the opt-out where Twilio or a carrier reports one that never reached this installation.

    The opt-out counts even where another report says that the text was delivered: whichever came first, the person
    gets no more messages.

    Args:
        old: The message before the decision.
        at: When the report arrived.
    """
    new = next(iter(decision.messages), old)
    known = opt_out_codes(old, policy)
    reported = {number: code for number, code in opt_out_codes(new, policy).items() if number not in known}
    return _with_opt_outs(decision, person, new, reported, policy, at)


def repeat_with_twilio_opt_outs(person: PersonState, message: MessageState, policy: Policy, at: datetime) -> Decision:
    """Everything about a message once more, and the opt-outs that were reported on it.

    A crash may have come after the message was saved and before the consent was, because their tables have changelogs
    of their own; or before the end of another waiting message was published. A change that is known changes nothing.

    Args:
        at: When the input that is read again arrived.
    """
    return _with_opt_outs(repeat_all(person, message), person, message, opt_out_codes(message, policy), policy, at)


def _with_opt_outs(
    decision: Decision,
    person: PersonState,
    message: MessageState,
    reported: Mapping[int, int],
    policy: Policy,
    at: datetime,
) -> Decision:
    """The decision, and an opt-out for each of these attempts and the error code that reports it."""
    others = {key: other for key, other in person.messages.items() if key != message.message_id}
    for number, code in reported.items():
        change = ConsentChange(
            change_id=join_attempt_id(message.message_id, number),
            person=person.number,
            state=ConsentState.OPTED_OUT,
            channel=TWILIO_CHANNEL,
            evidence=f"error {code}",
            occurred_at=at,
        )
        consent = decision.consent or person.consent
        opted_out = decide_on_consent_change(change, replace(person, consent=consent, messages=others), policy, at)
        others |= {ended.message_id: ended for ended in opted_out.messages}
        decision = Decision(
            opted_out.consent or decision.consent,
            (*decision.messages, *opted_out.messages),
            (*opted_out.records, *decision.records),
        )
    return decision
