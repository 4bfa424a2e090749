"""What a message's state entails: every event and command is a function of the state, never of the way to it.

So an input that is read twice, or a state that is found after a crash, says the same things under the same ids, and
what an input adds is the difference between what two states entail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from processors.core.person import statuses
from processors.core.person.decision import OutgoingRecord
from schemas.records import Action, Dispatch, Failed, Outcome, Price, Sent, StatusChanged
from schemas.states import AttemptState, MessageState, Phase, ReplayState, StatusReport
from schemas.topics import LANES, SMS_FAILED, SMS_PRICE, SMS_SENT, SMS_STATUS

Fact = tuple[object, ...]
Facts = Mapping[Fact, Callable[[], OutgoingRecord]]
OUTCOME_UNKNOWN = "outcome_unknown"
LOOK_UP = "look_up"
NO_FINAL_STATUS = "no_final_status"
CLOCK_SKEW = timedelta(seconds=60)
"""How far Twilio's clock may be from ours when its message list is searched."""


def added(old: MessageState | None, new: MessageState, claimed_sids: frozenset[str]) -> list[OutgoingRecord]:
    """What the new state says that the old one did not."""
    known = derive(old, claimed_sids) if old is not None else {}
    return [tell() for fact, tell in derive(new, claimed_sids).items() if fact not in known]


def all_records(state: MessageState, claimed_sids: frozenset[str]) -> list[OutgoingRecord]:
    """All the state says: repeated when an input is read again, because its first telling may have been lost."""
    return [tell() for tell in derive(state, claimed_sids).values()]


def derive(state: MessageState, claimed_sids: frozenset[str]) -> Facts:
    """Each thing the state says, under what makes it that thing and no other."""
    said: dict[Fact, Callable[[], OutgoingRecord]] = {}
    for attempt in state.attempts:
        if attempt.outcome is Outcome.ACCEPTED:
            said["sent", attempt.attempt] = partial(_sent, state, attempt)
        if attempt.price is not None:
            said["price", attempt.attempt, attempt.price] = partial(_price, state, attempt)
    for report in state.status_reports:
        said["status", report.attempt, report.status, report.error_code] = partial(_status, state, report)
    for replay in state.replays:
        if replay.refused is not None:
            said["replay_refused", replay.replay_id] = partial(_replay_refused, state, replay)
    said.update(_current(state, claimed_sids))
    return said


def _current(state: MessageState, claimed_sids: frozenset[str]) -> Facts:
    """What the message's phase says: at most two things, which the next phase no longer says."""
    attempt = len(state.attempts)
    if state.phase is Phase.DISPATCHED:
        return {("dispatch", attempt): lambda: _dispatch(state)}
    if state.phase is Phase.UNKNOWN and state.wait_reason == LOOK_UP:
        return {
            ("waiting", attempt, OUTCOME_UNKNOWN): lambda: _waiting(state, OUTCOME_UNKNOWN),
            ("look_up", attempt, state.wake_at): lambda: _look_up(state, claimed_sids),
        }
    if state.phase in (Phase.WAITING, Phase.UNKNOWN):
        reason = state.wait_reason or ""
        return {("waiting", attempt, reason): lambda: _waiting(state, reason)}
    if state.failure == NO_FINAL_STATUS:
        return {("no_final_status",): lambda: _no_final_status(state)}
    if state.failure is not None:
        return {("failed", attempt, _why(state), state.failed_at): lambda: _failed(state)}
    return {}


def attempt_id(message_id: str, attempt: int) -> str:
    """Names one attempt for ever; also in the status-callback URL."""
    return f"{message_id}/{attempt}"


def split_attempt_id(text: str) -> tuple[str, int] | None:
    """The message and the attempt's number, or None if the text names no attempt."""
    message_id, slash, number = text.rpartition("/")
    return (message_id, int(number)) if slash and message_id and number.isdecimal() else None


def _dispatch(state: MessageState) -> OutgoingRecord:
    attempt = state.attempts[-1]
    command = _command(state, attempt)
    return OutgoingRecord(LANES[state.lane], attempt.sender, command)


def _look_up(state: MessageState, claimed_sids: frozenset[str]) -> OutgoingRecord:
    attempt = state.attempts[-1]
    command = _command(
        state,
        attempt,
        action=Action.LOOK_UP,
        called_after=attempt.issued_at - CLOCK_SKEW,
        called_before=(attempt.intent_until or state.updated_at) + CLOCK_SKEW,
        claimed_sids=sorted(claimed_sids),
    )
    return OutgoingRecord(LANES[state.lane], attempt.sender, command)


def _command(state: MessageState, attempt: AttemptState, **search: object) -> Dispatch:
    request = state.request
    return Dispatch(
        attempt_id=attempt_id(state.message_id, attempt.attempt),
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
        **search,  # type: ignore[arg-type]  # the fields only a look-up has
    )


def _sent(state: MessageState, attempt: AttemptState) -> OutgoingRecord:
    request = state.request
    assert attempt.sid is not None
    assert attempt.settled_at is not None
    event = Sent(
        event_id=f"{attempt_id(state.message_id, attempt.attempt)}/sent",
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


def _status(state: MessageState, report: StatusReport) -> OutgoingRecord:
    attempt = state.attempts[report.attempt - 1]
    event = StatusChanged(
        event_id=f"{attempt_id(state.message_id, report.attempt)}/status/{report.status}{_code(report.error_code)}",
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


def _waiting(state: MessageState, reason: str) -> OutgoingRecord:
    event = _own_status(state, "waiting", f"waiting/{reason}/{_replays(state)}", reason)
    return OutgoingRecord(SMS_STATUS, state.request.to, event)


def _no_final_status(state: MessageState) -> OutgoingRecord:
    return OutgoingRecord(SMS_STATUS, state.request.to, _own_status(state, NO_FINAL_STATUS, NO_FINAL_STATUS, None))


def _replay_refused(state: MessageState, replay: ReplayState) -> OutgoingRecord:
    event = StatusChanged(
        event_id=f"{state.message_id}/replay_refused/{replay.replay_id}",
        message_id=state.message_id,
        attempt=0,
        person=state.request.to,
        tenant=state.request.tenant,
        campaign=state.request.campaign,
        status="replay_refused",
        final=False,
        reason=replay.refused,
        occurred_at=replay.at,
    )
    return OutgoingRecord(SMS_STATUS, state.request.to, event)


def _own_status(state: MessageState, status: str, name: str, reason: str | None) -> StatusChanged:
    return StatusChanged(
        event_id=f"{attempt_id(state.message_id, len(state.attempts))}/{name}",
        message_id=state.message_id,
        attempt=len(state.attempts),
        person=state.request.to,
        sender=state.attempts[-1].sender if state.attempts else None,
        tenant=state.request.tenant,
        campaign=state.request.campaign,
        status=status,
        final=status == NO_FINAL_STATUS,
        reason=reason,
        until=state.wake_at if state.phase is Phase.WAITING else None,
        occurred_at=state.wait_since or state.failed_at or state.updated_at,
    )


def _why(state: MessageState) -> str:
    return f"{state.failure}{_code(state.error_code)}"


def _code(number: int | None) -> str:
    """Two codes are two things said, also under one word."""
    return "" if number is None else f"/{number}"


def _replays(state: MessageState) -> int:
    """How often a replay took the message up again: tells one failure from the next under the same reason."""
    return sum(replay.refused is None for replay in state.replays)


def _failed(state: MessageState) -> OutgoingRecord:
    request = state.request
    attempt = state.attempts[-1] if state.attempts else None
    assert state.failure is not None
    assert state.failed_at is not None
    event = Failed(
        event_id=f"{attempt_id(state.message_id, len(state.attempts))}/failed/{_why(state)}/{_replays(state)}",
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


def _price(state: MessageState, attempt: AttemptState) -> OutgoingRecord:
    assert attempt.sid is not None
    assert attempt.price is not None
    assert attempt.price_currency is not None
    assert attempt.priced_at is not None
    event = Price(
        event_id=f"{attempt_id(state.message_id, attempt.attempt)}/price/{attempt.price.normalize():f}",
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
