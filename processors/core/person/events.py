"""Public events, built from a message's state.

An event's id is derived from what the event reports (message, attempt, kind, content), so that an input that is read
twice publishes the same ids and every consumer can drop the repetition.
"""

from __future__ import annotations

from processors.core.person import statuses
from processors.core.person.attempt_ids import join_attempt_id
from processors.core.person.decision import OutgoingRecord
from schemas.reasons import OwnStatus
from schemas.records import Failed, Price, Sent, StatusChanged
from schemas.states import AttemptState, MessageState, Phase, ReplayState, StatusReport
from schemas.topics import SMS_FAILED, SMS_PRICE, SMS_SENT, SMS_STATUS


def sent_event(state: MessageState, attempt: AttemptState) -> OutgoingRecord:
    """Twilio accepted the attempt."""
    request = state.request
    assert attempt.sid is not None
    assert attempt.settled_at is not None
    event = Sent(
        event_id=f"{join_attempt_id(state.message_id, attempt.attempt)}/sent",
        message_id=state.message_id,
        attempt=attempt.attempt,
        sid=attempt.sid,
        person=request.to,
        country=state.country or "",
        sender=attempt.sender,
        number_type=state.number_type or "",
        tenant=request.tenant,
        campaign=request.campaign,
        program=request.program,
        message_class=request.message_class,
        encoding=state.encoding,
        segments=state.segments,
        estimated_cost=state.estimated_cost,
        currency=state.currency,
        tags=request.tags,
        requested_at=request.requested_at,
        called_at=attempt.called_at,
        occurred_at=attempt.settled_at,
    )
    return OutgoingRecord(SMS_SENT, request.to, event)


def twilio_status_event(state: MessageState, report: StatusReport) -> OutgoingRecord:
    """Twilio reported a status of an attempt."""
    attempt = state.attempts[report.attempt - 1]
    attempt_id = join_attempt_id(state.message_id, report.attempt)
    event = StatusChanged(
        event_id=f"{attempt_id}/status/{report.status}{_code_suffix(report.error_code)}",
        message_id=state.message_id,
        attempt=report.attempt,
        sid=attempt.sid,
        person=state.request.to,
        sender=attempt.sender,
        tenant=state.request.tenant,
        campaign=state.request.campaign,
        status=report.status,
        final=report.status in statuses.FINAL,
        error_code=report.error_code,
        occurred_at=report.at,
    )
    return OutgoingRecord(SMS_STATUS, state.request.to, event)


def waiting_event(state: MessageState, reason: str) -> OutgoingRecord:
    """The message waits here for a named reason."""
    return _own_status(state, OwnStatus.WAITING, f"{OwnStatus.WAITING}/{reason}/{_replay_count(state)}", reason)


def no_final_status_event(state: MessageState) -> OutgoingRecord:
    """Twilio accepted the message and never reported how it ended."""
    return _own_status(state, OwnStatus.NO_FINAL_STATUS, OwnStatus.NO_FINAL_STATUS, None)


def _own_status(state: MessageState, status: str, suffix: str, reason: str | None) -> OutgoingRecord:
    event = StatusChanged(
        event_id=f"{join_attempt_id(state.message_id, len(state.attempts))}/{suffix}",
        message_id=state.message_id,
        attempt=len(state.attempts),
        person=state.request.to,
        sender=state.attempts[-1].sender if state.attempts else None,
        tenant=state.request.tenant,
        campaign=state.request.campaign,
        status=status,
        final=status == OwnStatus.NO_FINAL_STATUS,
        reason=reason,
        until=state.wake_at if state.phase is Phase.WAITING else None,
        occurred_at=state.wait_since or state.failed_at or state.updated_at,
    )
    return OutgoingRecord(SMS_STATUS, state.request.to, event)


def replay_refused_event(state: MessageState, replay: ReplayState) -> OutgoingRecord:
    """A replay asked for the message again, in vain."""
    event = StatusChanged(
        event_id=f"{state.message_id}/{OwnStatus.REPLAY_REFUSED}/{replay.replay_id}",
        message_id=state.message_id,
        attempt=0,
        person=state.request.to,
        tenant=state.request.tenant,
        campaign=state.request.campaign,
        status=OwnStatus.REPLAY_REFUSED,
        final=False,
        reason=replay.refused,
        occurred_at=replay.at,
    )
    return OutgoingRecord(SMS_STATUS, state.request.to, event)


def failed_event(state: MessageState) -> OutgoingRecord:
    """The message ended without delivery."""
    request = state.request
    attempt = state.attempts[-1] if state.attempts else None
    assert state.failure is not None
    assert state.failed_at is not None
    attempt_id = join_attempt_id(state.message_id, len(state.attempts))
    event = Failed(
        event_id=f"{attempt_id}/failed/{failure_id(state)}/{_replay_count(state)}",
        message_id=state.message_id,
        attempt=len(state.attempts),
        sid=attempt.sid if attempt else None,
        person=request.to,
        country=state.country,
        sender=attempt.sender if attempt else None,
        tenant=request.tenant,
        campaign=request.campaign,
        program=request.program,
        message_class=request.message_class,
        reason=state.failure,
        detail=state.detail or "",
        error_code=state.error_code,
        suppressed=state.suppressed,
        replayable=state.replayable,
        request=request,
        requested_at=request.requested_at,
        occurred_at=state.failed_at,
    )
    return OutgoingRecord(SMS_FAILED, request.to, event)


def price_event(state: MessageState, attempt: AttemptState) -> OutgoingRecord:
    """Twilio's list named the price of an attempt."""
    assert attempt.sid is not None
    assert attempt.price is not None
    assert attempt.price_currency is not None
    assert attempt.priced_at is not None
    attempt_id = join_attempt_id(state.message_id, attempt.attempt)
    event = Price(
        event_id=f"{attempt_id}/price/{attempt.price.normalize():f}",
        message_id=state.message_id,
        attempt=attempt.attempt,
        sid=attempt.sid,
        person=state.request.to,
        sender=attempt.sender,
        tenant=state.request.tenant,
        campaign=state.request.campaign,
        country=state.country,
        segments=attempt.price_segments,
        price=attempt.price,
        currency=attempt.price_currency,
        occurred_at=attempt.priced_at,
    )
    return OutgoingRecord(SMS_PRICE, state.request.to, event)


def failure_id(state: MessageState) -> str:
    """The reason and code of the message's failure: what tells it from another failure of the same attempt."""
    return f"{state.failure}{_code_suffix(state.error_code)}"


def _code_suffix(code: int | None) -> str:
    """Suffix that keeps event ids apart when only the error code differs: ``/30003``, or ``""`` without a code."""
    return "" if code is None else f"/{code}"


def _replay_count(state: MessageState) -> int:
    """How often a replay started the message again: it tells one failure from the next with the same reason."""
    return sum(replay.refused is None for replay in state.replays)
