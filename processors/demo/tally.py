"""What the topics say of one run: which request is where, gathered event by event in any order. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from processors.core.person import statuses
from processors.core.person.outbox import NO_FINAL_STATUS
from schemas.records import Failed, Price, Revocation, Sent, StatusChanged

WAITING = "waiting"


@dataclass(slots=True)
class Tally:
    """``requested``: message_id → when. Everything else is what was heard of these messages, and of the people."""

    requested: dict[str, datetime] = field(default_factory=dict)
    sent: dict[tuple[str, int], Sent] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    failed: dict[str, Failed] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    waiting: dict[str, str] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)
    consents: dict[str, list[tuple[datetime, bool]]] = field(default_factory=dict)

    def add(self, record: object, at: datetime) -> None:
        """Take note of one event; ``at`` is when Kafka had it."""
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
        elif status.status == NO_FINAL_STATUS:
            self.silent.add(status.message_id)
        elif status.status == WAITING:
            self.waiting[status.message_id] = status.reason or WAITING

    def unfinished(self) -> set[str]:
        """Requests of which nothing final was heard."""
        return self.requested.keys() - self.delivered - self.failed.keys() - self.silent

    def lost(self) -> set[str]:
        """Requests of which nothing final was heard and that do not wait for a named reason."""
        return self.unfinished() - self.waiting.keys()

    def revoked(self, person: str) -> bool | None:
        """What a person last said, as the sender workers were told; None if they said nothing."""
        said = self.consents.get(person)
        return said[-1][1] if said else None

    def stopped_spans(self, person: str) -> list[tuple[datetime, datetime | None]]:
        """From each STOP on record to the START that ended it, or None."""
        spans: list[tuple[datetime, datetime | None]] = []
        for at, revoked in self.consents.get(person, ()):
            is_open = bool(spans) and spans[-1][1] is None
            if revoked and not is_open:
                spans.append((at, None))
            elif not revoked and is_open:
                spans[-1] = (spans[-1][0], at)
        return spans
