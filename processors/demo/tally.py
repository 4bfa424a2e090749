"""What the topics report of one run: where each request is, gathered event by event in any order. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from processors.core.person import statuses
from schemas.reasons import OwnStatus
from schemas.records import Failed, Price, Revocation, Sent, StatusChanged


@dataclass(slots=True)
class Tally:
    """The events of one run's messages.

    Args:
        requested: Message id → when it was requested; events of other messages are ignored.
        sent: (message id, attempt) → its event.
        delivered: Ids of delivered messages.
        failed: Message id → its event.
        silent: Ids of messages that ended without a final status.
        waiting: Message id → the reason for which it waits.
        prices: SID → its event.
        consents: Person → (when, revoked or not) of each change, in order.
    """

    requested: dict[str, datetime] = field(default_factory=dict)
    sent: dict[tuple[str, int], Sent] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    failed: dict[str, Failed] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    waiting: dict[str, str] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)
    consents: dict[str, list[tuple[datetime, bool]]] = field(default_factory=dict)

    def add(self, record: object, at: datetime) -> None:
        """Add one event; ``at`` is its record's timestamp."""
        match record:
            case Revocation():
                self.consents.setdefault(record.person, []).append((at, record.revoked))
            case Sent() if record.message_id in self.requested:
                self.sent[record.message_id, record.attempt] = record
            case StatusChanged() if record.message_id in self.requested:
                self._add_status(record)
            case Failed() if record.message_id in self.requested:
                self.failed[record.message_id] = record
            case Price() if record.message_id in self.requested:
                self.prices[record.sid] = record

    def _add_status(self, status: StatusChanged) -> None:
        if status.status in statuses.SUCCESSES:
            self.delivered.add(status.message_id)
        elif status.status == OwnStatus.NO_FINAL_STATUS:
            self.silent.add(status.message_id)
        elif status.status == OwnStatus.WAITING:
            self.waiting[status.message_id] = status.reason or OwnStatus.WAITING

    def unfinished(self) -> set[str]:
        """Ids of requests without a final event."""
        return self.requested.keys() - self.delivered - self.failed.keys() - self.silent

    def lost(self) -> set[str]:
        """Ids of requests without a final event that do not wait for a named reason either."""
        return self.unfinished() - self.waiting.keys()

    def revoked(self, person: str) -> bool | None:
        """Whether the person's last published change was a revocation; None without any."""
        changes = self.consents.get(person)
        return changes[-1][1] if changes else None

    def stopped_spans(self, person: str) -> list[tuple[datetime, datetime | None]]:
        """The times from each STOP to the START that ended it; None where there was no START."""
        spans: list[tuple[datetime, datetime | None]] = []
        for at, revoked in self.consents.get(person, ()):
            is_open = bool(spans) and spans[-1][1] is None
            if revoked and not is_open:
                spans.append((at, None))
            elif not revoked and is_open:
                spans[-1] = (spans[-1][0], at)
        return spans
