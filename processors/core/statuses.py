"""Merge of the statuses Twilio reports: a join-semilattice, so order, repetition and delay make no difference.

Twilio delivers callbacks out of order and more than once; the message resource names the statuses.
Source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.state import StatusEvidence

# Higher wins. Among final statuses that contradict each other the better news for the person wins: a positive
# delivery receipt is proof, a negative one is often a carrier's guess.
RANKS = {
    "accepted": 1,
    "scheduled": 2,
    "queued": 3,
    "sending": 4,
    "sent": 5,
    "partially_delivered": 6,
    "canceled": 7,
    "failed": 8,
    "undelivered": 9,
    "delivered": 10,
    "read": 11,
}
FAILURES = frozenset({"failed", "undelivered", "canceled"})
SUCCESSES = frozenset({"delivered", "read"})
FINAL = FAILURES | SUCCESSES


def add(evidence: list[StatusEvidence], new: StatusEvidence) -> list[StatusEvidence]:
    """The evidence with one more report: each status of an attempt is kept once, as it was heard first.

    A report from before that (a late callback after the list was read) changes nothing: its event may have been
    published, and an event's id never gets a second content.
    """
    if any((old.attempt, old.status) == (new.attempt, new.status) for old in evidence):
        return evidence
    return sorted([*evidence, new], key=_order)


def merged(evidence: Iterable[StatusEvidence]) -> StatusEvidence | None:
    """The report that stands for a message: a success of any attempt, else the last attempt's highest status."""
    return max(evidence, key=_weight, default=None)


def _weight(report: StatusEvidence) -> tuple[bool, int, int]:
    return (report.status in SUCCESSES, report.attempt, RANKS.get(report.status, 0))


def _order(report: StatusEvidence) -> tuple[object, ...]:
    return (report.at, report.attempt, RANKS.get(report.status, 0), report.status, report.error_code or 0)
