"""Makes a replay plan: for every failure that the filters select, whether it is sent again, and if not, why.

The plan is a proposal. What it puts back enters as a new request on ``sms-requests``, or as the original record on its
topic: every rule is applied again, and the state of the message decides. So a plan that is out of date, or is run
twice, sends nothing that it should not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from processors.core.person import statuses
from processors.core.person.consent import newest_revocation, scopes_for
from schemas.reasons import FailureReason, OwnStatus
from schemas.records import DeadLetter, Failed, Revocation, Sent, StatusChanged
from schemas.topics import BY_NAME, SENDER_INPUTS, SMS_REQUESTS

_INGESTER = "ingester"
_DISPATCH_TOPICS = frozenset(topic.name for topic in SENDER_INPUTS)


class ReplayVerdict(StrEnum):
    """What a plan does with one failure.

    ``SEND`` publishes the failed message's request again, ``PUT_BACK`` the bytes of a dead letter to the topic they
    came from; ``NEVER`` does nothing.
    """

    SEND = "send"
    PUT_BACK = "put_back"
    NEVER = "never"


@dataclass(frozen=True, slots=True, order=True)
class RecordLocation:
    """The place of a record in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Filters:
    """Selects failures.

    Args:
        since: Failures at or after this time.
        until: Failures before this time; None for no bound.
        reasons: Failures of these reasons; none for all.
        tenant: Failures of this tenant's messages; None for all.
        campaign: Failures of this campaign's messages; None for all.
    """

    since: datetime
    until: datetime | None = None
    reasons: frozenset[str] = frozenset()
    tenant: str | None = None
    campaign: str | None = None

    def match(self, reason: str, at: datetime, tenant: str | None = None, campaign: str | None = None) -> bool:
        """Whether a failure is selected. A dead letter has no tenant and no campaign: a filter by one excludes it."""
        return (
            self.since <= at
            and (self.until is None or at < self.until)
            and (not self.reasons or reason in self.reasons)
            and self.tenant in (None, tenant)
            and self.campaign in (None, campaign)
        )


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One failure and what the plan does with it.

    Args:
        place: The record that reports the failure.
        reason: The failure's reason.
        verdict: What is done.
        target: The topic that the record is put back to.
        message_id: The message; None for a dead letter.
        why: Why nothing is done; empty unless the verdict is ``NEVER``.
    """

    place: RecordLocation
    reason: str
    verdict: ReplayVerdict
    target: str
    message_id: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay will do. A plan names records by their places: it contains no text and no phone number."""

    plan_id: str
    made_at: datetime
    filters: Filters
    entries: tuple[PlanEntry, ...]

    def counts(self) -> Mapping[tuple[str, ReplayVerdict, str], int]:
        """(reason, verdict, why) → the number of failures."""
        return Counter((entry.reason, entry.verdict, entry.why) for entry in self.entries)

    def to_put_back(self) -> tuple[PlanEntry, ...]:
        """The entries with a record to publish."""
        return tuple(entry for entry in self.entries if entry.verdict is not ReplayVerdict.NEVER)


@dataclass(slots=True)
class ReplayFacts:
    """What the plan is made from, gathered record by record in any order.

    ``failed``, ``latest_attempt`` and ``waiting_since`` are by message id, ``revocations`` by person; ``delivered``
    holds message ids, ``put_back`` the places of dead letters that an earlier replay put back.
    """

    failed: dict[str, tuple[RecordLocation, Failed]] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    latest_attempt: dict[str, int] = field(default_factory=dict)
    waiting_since: dict[str, datetime] = field(default_factory=dict)
    revocations: dict[str, list[Revocation]] = field(default_factory=dict)
    dead_letters: list[tuple[RecordLocation, DeadLetter]] = field(default_factory=list)
    put_back: set[str] = field(default_factory=set)

    def add(self, place: RecordLocation, record: object) -> None:
        """Add one record; types that no verdict depends on are ignored."""
        match record:
            case Failed():
                self._add_failed(place, record)
            case Sent():
                self._add_attempt(record.message_id, record.attempt)
            case StatusChanged():
                self._add_status(record)
            case Revocation():
                self.revocations.setdefault(record.person, []).append(record)
            case DeadLetter():
                self.dead_letters.append((place, record))

    def _add_failed(self, place: RecordLocation, failed: Failed) -> None:
        self._add_attempt(failed.message_id, failed.attempt)
        known = self.failed.get(failed.message_id)
        if known is None or (known[1].attempt, known[1].occurred_at) <= (failed.attempt, failed.occurred_at):
            self.failed[failed.message_id] = (place, failed)

    def _add_status(self, status: StatusChanged) -> None:
        self._add_attempt(status.message_id, status.attempt)
        if status.status in statuses.SUCCESSES:
            self.delivered.add(status.message_id)
        if status.status == OwnStatus.WAITING:
            known = self.waiting_since.get(status.message_id, status.occurred_at)
            self.waiting_since[status.message_id] = max(known, status.occurred_at)

    def _add_attempt(self, message_id: str, attempt: int) -> None:
        self.latest_attempt[message_id] = max(attempt, self.latest_attempt.get(message_id, 0))


def plan_replay(plan_id: str, facts: ReplayFacts, filters: Filters, now: datetime) -> Plan:
    """The plan for every failure that the filters select, in the order of the records' places."""
    entries = [*_failed_entries(facts, filters), *_dead_letter_entries(facts, filters)]
    return Plan(plan_id, now, filters, tuple(sorted(entries, key=lambda entry: entry.place)))


def _failed_entries(facts: ReplayFacts, filters: Filters) -> Iterable[PlanEntry]:
    for message_id, (place, failed) in facts.failed.items():
        if filters.match(failed.reason, failed.occurred_at, failed.tenant, failed.campaign):
            why = _objection(facts, failed)
            verdict = ReplayVerdict.NEVER if why else ReplayVerdict.SEND
            yield PlanEntry(place, failed.reason, verdict, SMS_REQUESTS.name, message_id, why or "")


def _objection(facts: ReplayFacts, failed: Failed) -> str | None:
    """Why this failure must not be sent again, or None."""
    message_id = failed.message_id
    if message_id in facts.delivered:
        return "delivered"
    if facts.latest_attempt[message_id] > failed.attempt:
        return "tried again since"
    if facts.waiting_since.get(message_id, failed.occurred_at) > failed.occurred_at:
        return "in progress again"
    if failed.reason == FailureReason.OUTCOME_UNKNOWN:
        return "outcome unknown: it may have been sent"
    if failed.reason == FailureReason.OPTED_OUT or _revoked(facts, failed):
        return "opted out"
    return None if failed.replayable and not failed.suppressed else "permanent"


def _revoked(facts: ReplayFacts, failed: Failed) -> bool:
    scopes = scopes_for(failed.program)
    newest = newest_revocation(entry for entry in facts.revocations.get(failed.person, ()) if entry.scope in scopes)
    return newest is not None and newest.revoked


def _dead_letter_entries(facts: ReplayFacts, filters: Filters) -> Iterable[PlanEntry]:
    for place, record in facts.dead_letters:
        if filters.match(record.reason, record.occurred_at):
            why = _dead_letter_objection(facts, place, record)
            verdict = ReplayVerdict.NEVER if why else ReplayVerdict.PUT_BACK
            yield PlanEntry(place, record.reason, verdict, record.topic, None, why or "")


def _dead_letter_objection(facts: ReplayFacts, place: RecordLocation, record: DeadLetter) -> str | None:
    if str(place) in facts.put_back:
        return "put back before"
    if record.value is None:
        return "its bytes were not stored"
    if record.topic not in BY_NAME:
        return "its topic is unknown"
    if record.stage == _INGESTER:
        return "a webhook from which no record could be made"
    if record.topic in _DISPATCH_TOPICS:
        # The message may have had another attempt since: only the person stage may issue one.
        return "a dispatch; its message is settled by the person stage"
    return None
