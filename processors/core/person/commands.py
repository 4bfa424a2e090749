"""Commands to the sender stage, built from a message's state: make the attempt, or look for it in Twilio's list."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from processors.core.person.attempt_ids import join_attempt_id
from processors.core.person.decision import OutgoingRecord
from schemas.enums import Action
from schemas.records import Dispatch
from schemas.states import AttemptState, MessageState
from schemas.topics import LANES

CLOCK_SKEW = timedelta(seconds=60)
"""The largest assumed difference between Twilio's clock and ours; it widens a search of the list on both sides."""


def send_command(state: MessageState) -> OutgoingRecord:
    """The command to make the message's last attempt."""
    attempt = state.attempts[-1]
    return OutgoingRecord(LANES[state.lane], attempt.sender, _command(state, attempt))


def look_up_command(state: MessageState, claimed_sids: frozenset[str]) -> OutgoingRecord:
    """The command to look for the message's last attempt in Twilio's list.

    Args:
        claimed_sids: SIDs of the person's other messages, which the search must leave out.
    """
    attempt = state.attempts[-1]
    command = replace(
        _command(state, attempt),
        action=Action.LOOK_UP,
        called_after=attempt.issued_at - CLOCK_SKEW,
        called_before=(attempt.intent_until or state.updated_at) + CLOCK_SKEW,
        claimed_sids=sorted(claimed_sids),
    )
    return OutgoingRecord(LANES[state.lane], attempt.sender, command)


def _command(state: MessageState, attempt: AttemptState) -> Dispatch:
    request = state.request
    return Dispatch(
        attempt_id=join_attempt_id(state.message_id, attempt.attempt),
        message_id=state.message_id,
        attempt=attempt.attempt,
        lane=state.lane,
        sender=attempt.sender,
        person=request.to,
        tenant=request.tenant,
        campaign=request.campaign,
        program=request.program,
        body=request.body,
        content_sid=request.content_sid,
        content_variables=request.content_variables,
        media_urls=request.media_urls,
        shorten_urls=request.shorten_urls,
        smart_encoding=request.smart_encoding,
        validity_s=request.validity_s,
        segments=state.segments,
        deadline=state.deadline,
        issued_at=attempt.issued_at,
    )
