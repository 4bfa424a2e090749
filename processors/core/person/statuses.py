"""Merge of the statuses Twilio reports: a join-semilattice, so order, repetition and delay make no difference.

Twilio delivers callbacks out of order and more than once; the message resource names the statuses.
Source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.states import StatusReport

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


def add(evidence: list[StatusReport], new: StatusReport) -> list[StatusReport]:
    """The evidence with one more report, in an order of its own: the same set whatever came first.

    Each status of an attempt is kept once per error code, with the time it was heard first: a contradiction is kept
    beside what it contradicts, and a repetition (a late callback after the list was read) changes nothing, since its
    event may have been published, and an event's id never gets a second content.
    """
    if any(_what(old) == _what(new) for old in evidence):
        return evidence
    return sorted([*evidence, new], key=_what)


def merged(evidence: Iterable[StatusReport]) -> StatusReport | None:
    """The report that stands for a message: a success of any attempt, else the last attempt's highest status."""
    return max(evidence, key=_weight, default=None)


def _weight(report: StatusReport) -> tuple[object, ...]:
    return (report.status in SUCCESSES, *_what(report))


def _what(report: StatusReport) -> tuple[int, int, str, int]:
    """What a report says, whenever it was heard."""
    return (report.attempt, RANKS.get(report.status, 0), report.status, report.error_code or 0)
