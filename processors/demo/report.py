"""A run's report: what the topics say, compared with the simulator's ledger and ClickHouse's sums. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from processors.core.person.attempt_ids import split_attempt_id
from processors.demo.tally import Tally

GRACE = timedelta(seconds=1)
"""How long after a STOP is in Kafka a call may still happen: until the sender workers have read the revocation."""
_NOT_IN_JSON = ("by_campaign", "broken")
NEVER_LEFT = "failed"
"""Twilio's status of a message that did not leave Twilio: another attempt is no second text."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """One message in the simulator's ledger that came from an API call of smsflow's."""

    message_id: str | None
    person: str
    at: datetime
    status: str
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Billed:
    """ClickHouse's sums of the run. ``by_campaign``: campaign, messages, segments, estimated, billed."""

    estimated: Decimal
    billed: Decimal
    currency: str
    by_campaign: Sequence[tuple[str, int, int, Decimal, Decimal]] = ()


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The figures of a run. ``broken``: each broken promise as a text, with its figures."""

    requested: int
    sent: int
    delivered: int
    failed: Mapping[str, int]
    suppressed: Mapping[str, int]
    duplicates: int
    lost: int
    sent_after_stop: int
    segments: int
    cost: Mapping[str, str]
    latency_ms: Mapping[str, int | None]
    messages_per_second: float
    by_campaign: Sequence[tuple[str, int, int, Decimal, Decimal]]
    broken: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The figures for JSON; amounts are decimal strings. ``failed`` and ``suppressed`` count by reason."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in _NOT_IN_JSON}


def accepted(rows: Iterable[Mapping[str, Any]]) -> list[Accepted]:
    """The ledger's rows that came from API calls; inbound messages and Twilio's own confirmations are left out."""
    return [
        Accepted(
            message_id=_message_of(row["callback_url"] or ""),
            person=row["to"],
            at=datetime.fromisoformat(row["accepted_at"]),
            status=row["status"],
            price=None if row["price"] is None else Decimal(row["price"]),
        )
        for row in rows
        if row["kind"] == "api"
    ]


def build_report(tally: Tally, ledger: Sequence[Accepted], billed: Billed) -> DemoReport:
    """The report of a run."""
    mine = [row for row in ledger if row.message_id in tally.requested]
    failed = [event for message_id, event in tally.failed.items() if message_id not in tally.delivered]
    owed = -sum((row.price for row in mine if row.price is not None), Decimal(0))
    figures: dict[str, Any] = {
        "requested": len(tally.requested),
        "sent": len({message_id for message_id, _ in tally.sent}),
        "delivered": len(tally.delivered),
        "failed": dict(Counter(event.reason for event in failed if not event.suppressed)),
        "suppressed": dict(Counter(event.reason for event in failed if event.suppressed)),
        "duplicates": duplicates(mine),
        "lost": len(tally.lost()),
        "sent_after_stop": sent_after_stop(tally, mine),
        "segments": sum(event.segments for event in tally.sent.values()),
        "cost": {
            "estimated": f"{billed.estimated:f}",
            "billed": f"{billed.billed:f}",
            "ledger": f"{owed.quantize(billed.billed):f}" if owed == owed.quantize(billed.billed) else f"{owed:f}",
            "currency": billed.currency,
        },
        "latency_ms": _latency(tally),
        "messages_per_second": _messages_per_second(tally, mine),
    }
    unrequested = sum(row.message_id not in tally.requested for row in ledger)
    broken = _broken(figures, owed, billed.billed, unrequested, tally)
    return DemoReport(**figures, by_campaign=billed.by_campaign, broken=broken)


def duplicates(ledger: Iterable[Accepted]) -> int:
    """How many texts too many: messages that left Twilio, beyond one for each request."""
    texts = Counter(row.message_id for row in ledger if row.status != NEVER_LEFT)
    return sum(count - 1 for count in texts.values())


def sent_after_stop(tally: Tally, ledger: Iterable[Accepted]) -> int:
    """How many messages were accepted more than ``GRACE`` after their person's STOP was in Kafka, before a START."""
    return sum(
        any(start + GRACE < row.at and (end is None or row.at < end) for start, end in tally.stopped_spans(row.person))
        for row in ledger
    )


def _broken(
    figures: Mapping[str, Any], owed: Decimal, billed: Decimal, unrequested: int, tally: Tally
) -> tuple[str, ...]:
    promises = (
        (figures["duplicates"], f"never twice: {figures['duplicates']} texts too many"),
        (figures["lost"], f"never silent: {figures['lost']} lost, like {', '.join(sorted(tally.lost())[:3])}"),
        (figures["sent_after_stop"], f"never after STOP: {figures['sent_after_stop']} sent"),
        (owed != billed, f"cost: ClickHouse has {billed}, the ledger {owed}"),
        (unrequested, f"the ledger has {unrequested} messages nobody requested"),
    )
    return tuple(text for is_broken, text in promises if is_broken)


def _latency(tally: Tally) -> dict[str, int | None]:
    """From a request to its first call, milliseconds."""
    waits: dict[str, float] = {}
    for (message_id, attempt), event in tally.sent.items():
        if event.called_at is not None and attempt == 1:
            waits[message_id] = (event.called_at - event.requested_at) / timedelta(milliseconds=1)
    ordered = sorted(waits.values())
    return {"p50": _quantile(ordered, 0.5), "p99": _quantile(ordered, 0.99)}


def _quantile(ordered: Sequence[float], share: float) -> int | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else None


def _messages_per_second(tally: Tally, ledger: Sequence[Accepted]) -> float:
    """Messages accepted per second, from the first request to the last acceptance."""
    if not ledger:
        return 0.0
    seconds = (max(row.at for row in ledger) - min(tally.requested.values())).total_seconds()
    return round(len(ledger) / seconds, 1) if seconds > 0 else 0.0


def _message_of(callback_url: str) -> str | None:
    named = split_attempt_id(parse_qs(urlsplit(callback_url).query).get("attempt_id", [""])[0])
    return named[0] if named else None
