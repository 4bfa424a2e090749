"""What Twilio's message list shows of a person's messages: status and price, each entry published once.

The list can be read before the answer or the callback that names the message's SID. An entry with an unknown SID is
therefore buffered on every message of the person that has an open attempt, until its SID is known.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from processors.core.person.lifecycle import apply_status
from processors.core.person.transitions import has_open_attempt, with_attempt
from processors.core.policy import Policy
from schemas.records import ListEntry
from schemas.states import MessageState, StatusReport


def apply_list_entry(
    message: MessageState, number: int, entry: ListEntry, policy: Policy, now: datetime
) -> MessageState:
    """After the list showed the message of attempt ``number`` (from 1): its status, and its price where it has one."""
    report = StatusReport(attempt=number, status=entry.status, error_code=entry.error_code, at=entry.read_at)
    message = apply_status(message, report, entry.message_sid, policy, now)
    return apply_price(message, number, entry, now)


def apply_price(message: MessageState, number: int, entry: ListEntry, now: datetime) -> MessageState:
    """After the list named a price for attempt ``number`` (from 1)."""
    attempt = message.attempts[number - 1]
    if entry.price is None or entry.currency is None or entry.price == attempt.price:
        return message
    attempt = replace(
        attempt,
        price=entry.price,
        price_currency=entry.currency,
        price_segments=entry.segments,
        priced_at=entry.read_at,
    )
    return with_attempt(message, attempt, now)


def buffer_entry(message: MessageState, entry: ListEntry) -> MessageState:
    """The message with an entry that may be its own, in place of an earlier entry with the same SID."""
    others = [old for old in message.pending_list_entries if old.message_sid != entry.message_sid]
    return replace(message, pending_list_entries=[*others, entry])


def apply_buffered_entries(message: MessageState, policy: Policy, now: datetime) -> MessageState:
    """Apply buffered entries whose SID now belongs to an attempt of this message.

    The rest is dropped once no attempt of the message is open.
    """
    if not message.pending_list_entries:
        return message
    numbers = {attempt.sid: attempt.attempt for attempt in message.attempts if attempt.sid is not None}
    own = [entry for entry in message.pending_list_entries if entry.message_sid in numbers]
    rest = [entry for entry in message.pending_list_entries if entry.message_sid not in numbers]
    message = replace(message, pending_list_entries=rest if has_open_attempt(message) else [])
    for entry in own:
        message = apply_list_entry(message, numbers[entry.message_sid], entry, policy, now)
    return message
