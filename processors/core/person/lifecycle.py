"""One message's life: attempt n+1 only when attempt n is settled as not accepted.

Every function takes a state and gives the next one; what that makes known is in ``events``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from processors.core.person import consent as consents
from processors.core.person import intake, rules, settlement, statuses
from processors.core.person.outbox import LOOK_UP, NO_FINAL_STATUS, OUTCOME_UNKNOWN
from processors.core.person.rules import Hold, Refuse
from processors.core.policy import Policy, Timing, UnknownSenderError
from processors.core.sms import retry_policy
from schemas.records import Action, AttemptResult, ListEntry, MessageClass, Outcome, SendRequest
from schemas.states import AttemptState, ConsentRecord, MessageState, Phase, ReplayState, StatusReport

BACK_OFF = "back_off"
CLAIMED_ELSEWHERE = "anothers"
"""A look-up found a message that is another attempt's by now: it was asked before that was known."""


def accept_request(request: SendRequest, consent: ConsentRecord, policy: Policy, now: datetime) -> MessageState:
    """A new message: refused, waiting, or its first attempt dispatched."""
    message = intake.open_message(request, policy, now)
    refused = intake.fault(request, policy)
    if refused is not None:
        return fail(message, refused, None, now)
    return dispatch_or_wait(intake.measured(message, policy, now), consent, policy, now)


def dispatch_or_wait(message: MessageState, consent: ConsentRecord, policy: Policy, now: datetime) -> MessageState:
    """Dispatch the next attempt, unless a rule objects."""
    objection = rules.first_objection(message, consent, now)
    if isinstance(objection, Refuse):
        return fail(message, objection, None, now)
    if isinstance(objection, Hold):
        return wait(message, objection.reason, objection.until, now)
    try:
        sender = intake.sender_of(message.request, policy)
    except UnknownSenderError as error:  # it was configured at intake and is no longer
        return fail(message, Refuse("unknown_sender", str(error), replayable=True), None, now)
    attempt = AttemptState(attempt=len(message.attempts) + 1, sender=sender.id, issued_at=now)
    message = replace(message, phase=Phase.DISPATCHED, attempts=[*message.attempts, attempt])
    return _clear_wait(message, now)


def wait(message: MessageState, reason: str, until: datetime, now: datetime) -> MessageState:
    """Let the message wait for a named reason."""
    return replace(message, phase=Phase.WAITING, wake_at=until, wait_reason=reason, wait_since=now, updated_at=now)


def fail(message: MessageState, why: Refuse, code: int | None, now: datetime) -> MessageState:
    """End the message without delivery. The same end twice, by another status of Twilio's, is the end it was."""
    again = (message.failure, message.error_code) == (why.reason, code)
    message = replace(
        message,
        phase=Phase.FINISHED,
        failure=why.reason,
        detail=why.detail,
        error_code=code,
        failed_at=message.failed_at if again and message.failed_at is not None else now,
        suppressed=why.suppressed,
        replayable=why.replayable,
    )
    return _clear_wait(message, now)


def cancel_if_refused(message: MessageState, consent: ConsentRecord, now: datetime) -> MessageState:
    """After a STOP: what waits here is cancelled; what already left is caught by the revocation, or by Twilio."""
    if message.phase is not Phase.WAITING:
        return message
    objection = rules.first_objection(message, consent, now)
    return fail(message, objection, None, now) if isinstance(objection, Refuse) else message


def apply_result(message: MessageState, result: AttemptResult, policy: Policy, now: datetime) -> MessageState:
    """After an answer of the sender stage."""
    if not 1 <= result.attempt <= len(message.attempts):
        return message
    if result.action is Action.LOOK_UP and result.outcome is not Outcome.ACCEPTED:
        return _looked_up(message, result, policy, now)
    old = message.attempts[result.attempt - 1]
    new = settlement.merge(old, result)
    if new == old:
        return message
    message = _with_attempt(message, new, now)
    if new.outcome is Outcome.ACCEPTED:
        return _accepted(message, now)
    if result.attempt < len(message.attempts) or message.phase not in (Phase.DISPATCHED, Phase.UNKNOWN):
        return message
    if new.outcome is Outcome.UNKNOWN:
        return _unknown(message, policy, now)
    return _not_accepted(message, result, policy, now)


def apply_status(message: MessageState, report: StatusReport, sid: str, policy: Policy, now: datetime) -> MessageState:
    """After a status of Twilio's, by callback or by its list."""
    if not 1 <= report.attempt <= len(message.attempts):
        return message
    attempt = settlement.accepted_by_callback(message.attempts[report.attempt - 1], sid, report.at)
    newly_accepted = attempt is not message.attempts[report.attempt - 1]
    message = _with_attempt(message, attempt, now)
    if newly_accepted:
        message = _accepted(message, now)
    before, evidence = message.status_reports, statuses.add(message.status_reports, report)
    if evidence is before:
        return message
    message = replace(message, status_reports=evidence, updated_at=now)
    stands = statuses.merged(evidence)
    return (
        message
        if stands is None or stands == statuses.merged(before)
        else _apply_effective_status(message, stands, policy, now)
    )


def apply_price(message: MessageState, number: int, entry: ListEntry, now: datetime) -> MessageState:
    """After Twilio's list named a price for an attempt."""
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
    return _with_attempt(message, attempt, now)


def apply_list_entry(
    message: MessageState, number: int, entry: ListEntry, policy: Policy, now: datetime
) -> MessageState:
    """After Twilio's list showed an attempt: its status, and its price if it has one."""
    report = StatusReport(attempt=number, status=entry.status, error_code=entry.error_code, at=entry.read_at)
    return apply_price(apply_status(message, report, entry.message_sid, policy, now), number, entry, now)


def has_open_attempt(message: MessageState) -> bool:
    """Whether an attempt's outcome is open: then a SID that nobody knows may be this message's."""
    return any(_is_open(attempt) for attempt in message.attempts)


def buffer_entry(message: MessageState, entry: ListEntry) -> MessageState:
    """Keep what the list showed of a message that may be this one."""
    others = [old for old in message.pending_list_entries if old.message_sid != entry.message_sid]
    return replace(message, pending_list_entries=[*others, entry])


def apply_buffered(message: MessageState, policy: Policy, now: datetime) -> MessageState:
    """Let what was kept count for the attempt whose SID it names; forget the rest when there is no doubt any more."""
    if not message.pending_list_entries:
        return message
    numbers = {attempt.sid: attempt.attempt for attempt in message.attempts if attempt.sid is not None}
    mine = [entry for entry in message.pending_list_entries if entry.message_sid in numbers]
    rest = [entry for entry in message.pending_list_entries if entry.message_sid not in numbers]
    message = replace(message, pending_list_entries=rest if has_open_attempt(message) else [])
    for entry in mine:
        message = apply_list_entry(message, numbers[entry.message_sid], entry, policy, now)
    return message


def wake_up(message: MessageState, consent: ConsentRecord, policy: Policy, now: datetime) -> MessageState:
    """After the time it waited for."""
    if message.phase is Phase.WAITING and (message.wake_at is None or message.wake_at <= now):
        return dispatch_or_wait(message, consent, policy, now)
    if message.phase is Phase.UNKNOWN and (message.wake_at is None or message.wake_at <= now):
        return _continue_settlement(message, consent, policy, now)
    if message.phase is Phase.ACCEPTED and is_overdue(message, policy.timing, now):
        return replace(message, phase=Phase.FINISHED, failure=NO_FINAL_STATUS, failed_at=now, updated_at=now)
    if message.phase is Phase.DISPATCHED and is_overdue(message, policy.timing, now):
        return _unknown(message, policy, now)
    return message


def is_overdue(message: MessageState, timing: Timing, now: datetime) -> bool:
    """Whether what must come is not coming any more: a final status of Twilio's, or the sender stage's answer.

    That stage answers every command by its deadline, unless the command was lost: to its dead letter, or with a topic.
    """
    if message.phase is Phase.DISPATCHED:
        return max(message.deadline, message.updated_at) + timing.status_within <= now
    return message.phase is Phase.ACCEPTED and message.updated_at + timing.status_within <= now


def apply_replay(
    message: MessageState, request: SendRequest, consent: ConsentRecord, policy: Policy, now: datetime
) -> MessageState:
    """After a replay asked for a message again: sent only if it ended without delivery for a reason that can pass."""
    assert request.replay_id is not None
    if any(replay.replay_id == request.replay_id for replay in message.replays):
        return message
    refused = _replay_refusal(message, consent, now)
    replay = ReplayState(replay_id=request.replay_id, refused=refused, at=now)
    message = replace(message, replays=[*message.replays, replay], updated_at=now)
    if refused is not None:
        return message
    again = replace(message.request, send_at=None, deadline=None)
    message = replace(
        _clear_failure(message),
        phase=Phase.WAITING,
        request=again,
        status=None,
        deadline=now + policy.classes[again.message_class].deadline,
    )
    fault = intake.fault(again, policy)
    if fault is not None:
        return fail(message, fault, None, now)
    if not message.attempts:
        message = intake.measured(message, policy, now)
    return dispatch_or_wait(message, consent, policy, now)


def _replay_refusal(message: MessageState, consent: ConsentRecord, now: datetime) -> str | None:
    """Why a replay must not send it: what Twilio ever accepted, may have accepted, or the person refused."""
    if message.phase is not Phase.FINISHED or message.status in statuses.SUCCESSES:
        return message.status or message.phase.value
    if message.failure == OUTCOME_UNKNOWN or any(_is_open(attempt) for attempt in message.attempts):
        return OUTCOME_UNKNOWN
    if any(attempt.outcome is Outcome.ACCEPTED for attempt in message.attempts):
        return Outcome.ACCEPTED.value
    if message.suppressed:
        return message.failure
    if message.request.message_class == MessageClass.OTP and message.deadline <= now:
        return rules.EXPIRED  # an old code helps nobody
    if not message.replayable:
        return f"permanent: {message.failure}"
    return rules.OPTED_OUT if consents.opted_out(consent, message.request.program) else None


def _is_open(attempt: AttemptState) -> bool:
    return attempt.outcome in (None, Outcome.UNKNOWN)


def _with_attempt(message: MessageState, attempt: AttemptState, now: datetime) -> MessageState:
    if message.attempts[attempt.attempt - 1] is attempt:
        return message
    attempts = [attempt if old.attempt == attempt.attempt else old for old in message.attempts]
    return replace(message, attempts=attempts, updated_at=now)


def _accepted(message: MessageState, now: datetime) -> MessageState:
    """Twilio has it, whatever we had believed: a failure is taken back, a retry that waits is cancelled."""
    if message.status in statuses.SUCCESSES:
        return message
    return _clear_wait(replace(_clear_failure(message), phase=Phase.ACCEPTED), now)


def _clear_failure(message: MessageState) -> MessageState:
    return replace(
        message,
        failure=None,
        detail=None,
        error_code=None,
        failed_at=None,
        replayable=False,
        suppressed=False,
    )


def _unknown(message: MessageState, policy: Policy, now: datetime) -> MessageState:
    attempt = message.attempts[-1]
    wake_at = settlement.next_look_up(attempt, policy.timing, now) or now
    return replace(
        message,
        phase=Phase.UNKNOWN,
        wake_at=wake_at,
        wait_reason=OUTCOME_UNKNOWN,
        wait_since=now,
        updated_at=now,
    )


def _continue_settlement(message: MessageState, consent: ConsentRecord, policy: Policy, now: datetime) -> MessageState:
    """Ask Twilio's list once more, or let the class's policy end the wait."""
    attempt = message.attempts[-1]
    time_left = now < settlement.given_up_at(attempt, policy.timing) or not _looked_up_since_lost(message)
    if attempt.look_ups < len(policy.timing.look_ups) and time_left:
        return replace(message, wait_reason=LOOK_UP, wake_at=now + settlement.LOOK_UP_PATIENCE, updated_at=now)
    if message.request.resend_if_unknown:
        attempt = replace(attempt, outcome=Outcome.NOT_SENT, reason="resend_if_unknown", settled_at=now)
        return dispatch_or_wait(_with_attempt(message, attempt, now), consent, policy, now)
    expires = policy.classes[message.request.message_class].on_unknown == "expire"
    detail = "Twilio's answer was lost and its message list does not show the message; it may have been sent"
    return fail(message, Refuse(rules.EXPIRED if expires else OUTCOME_UNKNOWN, detail), None, now)


def _looked_up_since_lost(message: MessageState) -> bool:
    """Whether the list was asked since the answer was lost: after a long outage of ours all its time may be over."""
    return message.wait_since is None or message.updated_at > message.wait_since


def _looked_up(message: MessageState, result: AttemptResult, policy: Policy, now: datetime) -> MessageState:
    """After a look-up that found nothing, or could not read the list."""
    attempt = message.attempts[result.attempt - 1]
    if message.phase is not Phase.UNKNOWN or result.attempt < len(message.attempts):
        return message
    if (
        result.reason == CLAIMED_ELSEWHERE
    ):  # asked again without that one, as if it had not been asked: it will be excluded then
        return replace(message, wait_reason=OUTCOME_UNKNOWN, wake_at=now, updated_at=message.wait_since or now)
    if result.outcome is Outcome.ABSENT:
        attempt = replace(attempt, look_ups=attempt.look_ups + 1)
    given_up_at = settlement.given_up_at(attempt, policy.timing)
    wake_at = settlement.next_look_up(attempt, policy.timing, now) or given_up_at
    if result.outcome is not Outcome.ABSENT:
        wake_at = now + settlement.LOOK_UP_PATIENCE
    wake_at = max(now, min(wake_at, given_up_at))
    message = _with_attempt(message, attempt, now)
    return replace(message, wait_reason=OUTCOME_UNKNOWN, wake_at=wake_at, updated_at=now)


def _not_accepted(message: MessageState, result: AttemptResult, policy: Policy, now: datetime) -> MessageState:
    """The attempt certainly did not become a message: again later, or never."""
    if result.outcome is Outcome.NOT_SENT and result.reason in (rules.OPTED_OUT, rules.EXPIRED):
        late = result.reason == rules.EXPIRED
        why = Refuse(result.reason, result.detail or result.reason, suppressed=not late, replayable=late)
        return fail(message, why, None, now)
    if result.outcome is Outcome.NOT_SENT:
        code = retry_policy.not_sent(result.reason or "not_sent")
    else:
        code = policy.codes.find(result.code or 0)
    return _try_again(message, code, result.code, policy, now, timedelta(milliseconds=result.retry_after_ms or 0))


def _apply_effective_status(message: MessageState, report: StatusReport, policy: Policy, now: datetime) -> MessageState:
    """Another report stands for the message than before."""
    if report.attempt < len(message.attempts) and report.status not in statuses.SUCCESSES:
        return message
    message = replace(message, status=report.status)
    if report.status in statuses.SUCCESSES:
        delivered = replace(_clear_failure(message), phase=Phase.FINISHED, error_code=report.error_code)
        return _clear_wait(delivered, now)
    if report.status in statuses.FAILURES:
        return _undelivered(message, report, policy, now)
    return replace(message, error_code=report.error_code)


def _undelivered(message: MessageState, report: StatusReport, policy: Policy, now: datetime) -> MessageState:
    """Twilio had it, and it did not arrive."""
    if report.status == "canceled":
        why = Refuse("canceled", "the scheduled message was cancelled at Twilio")
        return fail(message, why, report.error_code, report.at)
    waits = message.phase is Phase.WAITING  # for its next attempt, after an earlier report of the same failure
    code = policy.codes.find(report.error_code or 30008)
    new = _try_again(message, code, report.error_code, policy, now, timedelta())
    if new.phase is not Phase.WAITING:
        return new
    return replace(message if waits else new, error_code=report.error_code)


def _try_again(
    message: MessageState,
    code: retry_policy.Code,
    number: int | None,
    policy: Policy,
    now: datetime,
    retry_after: timedelta,
) -> MessageState:
    accepted = message.attempts[-1].outcome is Outcome.ACCEPTED
    verdict = retry_policy.next_try(
        code,
        accepted=accepted,
        resend_allowed=policy.classes[message.request.message_class].resend_after_acceptance,
        tries=len(message.attempts),
        schedule=policy.retries,
        deadline=message.deadline,
        now=now,
        message_id=message.message_id,
        retry_after=retry_after,
    )
    if isinstance(verdict, retry_policy.Again):
        return wait(message, BACK_OFF, verdict.at, now)
    if _says_opted_out(code, message):
        return fail(message, Refuse(rules.OPTED_OUT, code.meaning, suppressed=True), number, now)
    passing = not accepted and code.retry in (retry_policy.Retry.LATER, retry_policy.Retry.AFTER_FIX)
    return fail(message, Refuse(verdict.reason, f"{code.meaning} ({verdict.because})", replayable=passing), number, now)


def opt_out_codes(message: MessageState, policy: Policy) -> dict[int, int]:
    """Attempt → the code by which Twilio or a carrier says that the person has opted out."""
    said = [(attempt.attempt, attempt.code) for attempt in message.attempts if attempt.code is not None]
    said += [(report.attempt, report.error_code) for report in message.status_reports if report.error_code is not None]
    return {number: code for number, code in said if _says_opted_out(policy.codes.find(code), message)}


def _says_opted_out(code: retry_policy.Code, message: MessageState) -> bool:
    """Toll-free numbers keep STOP in the network, which shows as a block. Source: Twilio errors 21610, 30004."""
    toll_free = message.number_type == "toll_free"
    return code.action == "opt_out" or (code.action == "opt_out_if_toll_free" and toll_free)


def _clear_wait(message: MessageState, now: datetime) -> MessageState:
    return replace(message, wake_at=None, wait_reason=None, wait_since=None, updated_at=now)
