"""Merge of the statuses that Twilio reports: order, repetition and delay of the reports make no difference.

Twilio delivers callbacks out of order and more than once. The merge is a join-semilattice: a set of reports, and a
total order that names the one that counts.
Source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.states import StatusReport

# Higher wins. Among final statuses that contradict each other the better news for the person wins: a positive delivery
# receipt is proof, a negative one is often a carrier's guess.
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


def add_report(reports: list[StatusReport], new: StatusReport) -> list[StatusReport]:
    """The reports with one more, in an order that does not depend on arrival; the same list where it is a repetition.

    Each status of an attempt is stored once per error code, with the time of its first report. A contradiction stays
    beside what it contradicts. A repetition, like a late callback after the list was read, changes nothing: its event
    may have been published, and the content behind an event id never changes.
    """
    if any(_content(old) == _content(new) for old in reports):
        return reports
    return sorted([*reports, new], key=_content)


def effective_report(reports: Iterable[StatusReport]) -> StatusReport | None:
    """The report that counts for a message: a success of any attempt, else the last attempt's highest status."""
    return max(reports, key=_weight, default=None)


def _weight(report: StatusReport) -> tuple[object, ...]:
    return (report.status in SUCCESSES, *_content(report))


def _content(report: StatusReport) -> tuple[int, int, str, int]:
    """What a report says, without the time it arrived at."""
    return (report.attempt, RANKS.get(report.status, 0), report.status, report.error_code or 0)
