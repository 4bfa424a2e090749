"""A replay asks for a message again: sent only if it ended without delivery, for a reason that can pass."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from processors.core.person import intake, statuses
from processors.core.person.consent import is_opted_out
from processors.core.person.decision import PersonState
from processors.core.person.rules.verdicts import Refuse
from processors.core.person.transitions import clear_failure, dispatch_or_wait, fail_message, has_open_attempt
from processors.core.policy import Policy
from schemas.enums import MessageClass, Outcome
from schemas.reasons import FailureReason
from schemas.records import SendRequest
from schemas.states import MessageState, Phase, ReplayState


def apply_replay(
    message: MessageState, request: SendRequest, person: PersonState, policy: Policy, now: datetime
) -> MessageState:
    """After a replay asked for a message again. The same replay a second time changes nothing."""
    assert request.replay_id is not None
    if any(replay.replay_id == request.replay_id for replay in message.replays):
        return message
    refused = _replay_refusal(message, person, now)
    replay = ReplayState(replay_id=request.replay_id, refused=refused, at=now)
    message = replace(message, replays=[*message.replays, replay], updated_at=now)
    return message if refused is not None else _start_again(message, person, policy, now)


def _start_again(message: MessageState, person: PersonState, policy: Policy, now: datetime) -> MessageState:
    """Send what was requested at first, with a new deadline and without ``send_at``; every rule is asked again."""
    request = replace(message.request, send_at=None, deadline=None)
    message = replace(
        clear_failure(message),
        phase=Phase.WAITING,
        request=request,
        status=None,
        deadline=now + policy.classes[request.message_class].deadline,
    )
    parsed = intake.parse_request(request, policy)
    if isinstance(parsed, Refuse):
        return fail_message(message, parsed, None, now)
    if not message.attempts:  # refused at intake at first, so that nothing was measured
        message = intake.with_measures(message, parsed, policy, now)
    return dispatch_or_wait(message, person, policy, now, parsed.sender)


def _replay_refusal(message: MessageState, person: PersonState, now: datetime) -> str | None:
    """Why a replay must not send the message, or None: Twilio has or may have accepted it, or the person said no."""
    if message.phase is not Phase.FINISHED or message.status in statuses.SUCCESSES:
        return message.status or message.phase.value
    if message.failure == FailureReason.OUTCOME_UNKNOWN or has_open_attempt(message):
        return FailureReason.OUTCOME_UNKNOWN
    if any(attempt.outcome is Outcome.ACCEPTED for attempt in message.attempts):
        return Outcome.ACCEPTED.value
    if message.suppressed:
        return message.failure
    if message.request.message_class == MessageClass.OTP and message.deadline <= now:
        return FailureReason.EXPIRED  # an old one-time password is of no use
    if not message.replayable:
        return f"permanent: {message.failure}"
    return FailureReason.OPTED_OUT if is_opted_out(person.consent, message.request.program) else None
