"""What a message's state publishes: every event and command is a function of the state, never of the way to it.

So an input that is read twice, or a state that is found after a crash, publishes the same records under the same ids.
What one input publishes is the difference between the records of two states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from processors.core.person import commands, events
from processors.core.person.decision import OutgoingRecord
from schemas.enums import Outcome
from schemas.reasons import OwnStatus, WaitReason
from schemas.states import MessageState, Phase

RecordKey = tuple[object, ...]
"""What makes a record of one message that record and no other, like ``("sent", 1)``."""
RecordBuilders = Mapping[RecordKey, Callable[[], OutgoingRecord]]
"""Record key to the function that builds the record: most records are compared by key and never built."""


def added(old: MessageState | None, new: MessageState, claimed_sids: frozenset[str]) -> list[OutgoingRecord]:
    """The records of the new state that the old state did not have.

    Args:
        old: None where the message is new.
        claimed_sids: SIDs of the person's other messages, which a look-up must leave out.
    """
    known = derive(old, claimed_sids) if old is not None else {}
    return [build() for key, build in derive(new, claimed_sids).items() if key not in known]


def all_records(state: MessageState, claimed_sids: frozenset[str]) -> list[OutgoingRecord]:
    """All records of a state: published again when an input is read again, because the first time may be lost."""
    return [build() for build in derive(state, claimed_sids).values()]


def derive(state: MessageState, claimed_sids: frozenset[str]) -> RecordBuilders:
    """All records of a state, by key."""
    records: dict[RecordKey, Callable[[], OutgoingRecord]] = {}
    for attempt in state.attempts:
        if attempt.outcome is Outcome.ACCEPTED:
            records["sent", attempt.attempt] = partial(events.sent_event, state, attempt)
        if attempt.price is not None:
            records["price", attempt.attempt, attempt.price] = partial(events.price_event, state, attempt)
    for report in state.status_reports:
        key = ("status", report.attempt, report.status, report.error_code)
        records[key] = partial(events.twilio_status_event, state, report)
    for replay in state.replays:
        if replay.refused is not None:
            records[OwnStatus.REPLAY_REFUSED, replay.replay_id] = partial(events.replay_refused_event, state, replay)
    records.update(_of_phase(state, claimed_sids))
    return records


def _of_phase(state: MessageState, claimed_sids: frozenset[str]) -> RecordBuilders:
    """The records of the message's phase, at most two. The next phase does not have them any more."""
    attempt = len(state.attempts)
    if state.phase is Phase.DISPATCHED:
        return {("dispatch", attempt): partial(commands.send_command, state)}
    if state.phase is Phase.UNKNOWN and state.wait_reason == WaitReason.LOOK_UP:
        unknown = WaitReason.OUTCOME_UNKNOWN
        return {
            (OwnStatus.WAITING, attempt, unknown): partial(events.waiting_event, state, unknown),
            ("look_up", attempt, state.wake_at): partial(commands.look_up_command, state, claimed_sids),
        }
    if state.phase in (Phase.WAITING, Phase.UNKNOWN):
        reason = state.wait_reason or ""
        return {(OwnStatus.WAITING, attempt, reason): partial(events.waiting_event, state, reason)}
    if state.failure == OwnStatus.NO_FINAL_STATUS:
        return {(OwnStatus.NO_FINAL_STATUS,): partial(events.no_final_status_event, state)}
    if state.failure is not None:
        return {("failed", attempt, events.failure_id(state), state.failed_at): partial(events.failed_event, state)}
    return {}
