"""Checks one batch: the topics, the tables and ClickHouse against the simulator's ledger. Values only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.enums import Action, Outcome
from schemas.records import AttemptResult, Dispatch, Failed, Price, Sent, StatusChanged, TwilioCallback
from schemas.states import SenderAttempt
from tests.crash.history import BatchHistory, CheckResult, Problem, Row
from tests.crash.load import Batch
from tests.crash.records import ReadRecord, attempt_of, message_of, parse_time
from tests.crash.stores import clickhouse_faults, consent_faults, table_faults

GRACE = timedelta(seconds=1)
"""How long a sender worker may need to read a revocation."""
SLOWEST = timedelta(seconds=3.5)
"""How long the simulator takes at most to accept a request (``tuning.LOSSES``)."""
CALL_TIMEOUT = timedelta(seconds=2)
"""How long after the end of an intent its call is over (``tuning.TUNING``)."""


def check(history: BatchHistory) -> CheckResult:
    """Check every promise."""
    ids = history.batch.ids
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in history.rows:
        message_id = message_of(attempt_of(row))
        if message_id in ids:
            rows[message_id].append(row)
    seen = {message_id: history.records.get(message_id, ()) for message_id in sorted(ids)}
    ends = {message_id: _end_of(found) for message_id, found in seen.items()}
    ambiguous = frozenset(_ambiguous(history.batch, seen, rows))
    certain = {message_id: found for message_id, found in seen.items() if message_id not in ambiguous}
    ended = {message_id: certain[message_id] for message_id in certain if ends[message_id] == ENDED}
    return CheckResult(
        problems=(
            *_duplicates(rows),
            *_lost(ends),
            *_garbage_lost(history),
            *_after_stop(history.revocations, rows, call_times(seen)),
            *_contradictions(seen),
            *_disagreements(certain, rows),
            *_storage_disagreements(history, ended, rows),
            *_early_look_ups(seen, history.intents),
        ),
        waiting={message_id: end for message_id, end in ends.items() if end not in ("", ENDED)},
        settled_s=tuple(seconds for found in seen.values() for seconds in _settlements(found)),
        accepted=sum(map(len, rows.values())),
        suppressed=sum(any(_is_suppressed(one.record) for one in found) for found in seen.values()),
        ambiguous=ambiguous,
        lost_stops=len({*history.batch.texted_stop} - history.heard_from),
    )


ENDED = "ended"


def _end_of(found: Sequence[ReadRecord]) -> str:
    """``ENDED``, the reason for which the message waits, or an empty string: then it is lost."""
    events = [one.record for one in sorted(found, key=lambda one: one.at)]
    if any(isinstance(event, Failed) or (isinstance(event, StatusChanged) and event.final) for event in events):
        return ENDED
    names = [event.reason or "" for event in events if isinstance(event, StatusChanged) and event.status == "waiting"]
    sent = any(isinstance(event, Sent) for event in events)
    return names[-1] if names and not sent else ""


def _duplicates(rows: Mapping[str, Sequence[Row]]) -> Iterator[Problem]:
    for message_id, found in rows.items():
        if len(found) > 1:
            sids = ", ".join(f"{row['sid']} ({attempt_of(row)})" for row in found)
            yield Problem("duplicate", message_id, f"accepted {len(found)} times: {sids}")


def _lost(ends: Mapping[str, str]) -> Iterator[Problem]:
    for message_id, end in ends.items():
        if not end:
            yield Problem("lost", message_id, "neither ended nor waiting with a reason")


def _garbage_lost(history: BatchHistory) -> Iterator[Problem]:
    for value in history.batch.garbage:
        if value not in history.dead_letters:
            yield Problem("lost", "", f"{value!r} is in no dead letter")


def _after_stop(
    revocations: Sequence[ReadRecord], rows: Mapping[str, Sequence[Row]], called: Mapping[str, datetime]
) -> Iterator[Problem]:
    stopped: dict[str, datetime] = {}
    for one in revocations:
        if one.record.revoked:
            stopped[one.record.person] = min(stopped.get(one.record.person, one.at), one.at)
    for message_id, found in rows.items():
        for row in found:
            since = stopped.get(row["to"])
            if since is not None and _called_at(row, called) > since + GRACE:
                yield Problem("after_stop", message_id, f"accepted {row['accepted_at']}, revoked {since.isoformat()}")


def call_times(seen: Mapping[str, Sequence[ReadRecord]]) -> dict[str, datetime]:
    """When each attempt's call was made, according to its results."""
    results = (one.record for found in seen.values() for one in found if isinstance(one.record, AttemptResult))
    return {result.attempt_id: result.called_at for result in results if result.called_at is not None}


def _called_at(row: Row, calls: Mapping[str, datetime]) -> datetime:
    """When the row's call was made: the simulator may have accepted it as late as its slowest response."""
    accepted = parse_time(row["accepted_at"])
    called = calls.get(attempt_of(row) or "", accepted)
    return called if timedelta() <= accepted - called <= SLOWEST else accepted


def _contradictions(seen: Mapping[str, Sequence[ReadRecord]]) -> Iterator[Problem]:
    for message_id, found in seen.items():
        first_seen: dict[str, Any] = {}
        for one in found:
            event_id = getattr(one.record, "event_id", None)
            if event_id is not None and first_seen.setdefault(event_id, one.record) != one.record:
                yield Problem(
                    "contradiction", message_id, f"{event_id}: {_difference(first_seen[event_id], one.record)}"
                )


def _difference(one: Any, other: Any) -> str:
    names = [name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)]
    return ", ".join(f"{name} {getattr(one, name)} and {getattr(other, name)}" for name in names)


def _disagreements(seen: Mapping[str, Sequence[ReadRecord]], rows: Mapping[str, Sequence[Row]]) -> Iterator[Problem]:
    for message_id, found in seen.items():
        records = [one.record for one in found]
        accepted = {row["sid"]: row for row in rows.get(message_id, ())}
        sent = {record.sid for record in records if isinstance(record, Sent)}
        for sid in sorted(sent ^ accepted.keys()):
            where = "only in the ledger" if sid in accepted else "not in the ledger"
            yield Problem("disagreement", message_id, f"sent event of {sid}: {where}")
        for sid, row in accepted.items():
            yield from _one_row(message_id, sid, row, records)


def _early_look_ups(
    seen: Mapping[str, Sequence[ReadRecord]], intents: Mapping[str, Sequence[SenderAttempt]]
) -> Iterator[Problem]:
    """Look-ups made while the call could still be under way: then an absent message proves nothing."""
    for message_id, found in seen.items():
        for look_up in (one.record for one in found if _is_look_up(one.record)):
            ends = [one.intent_until for one in intents.get(look_up.attempt_id, ()) if one.intent_until is not None]
            if ends and look_up.answered_at < max(ends) + CALL_TIMEOUT:
                yield Problem("contradiction", message_id, f"looked up at {look_up.answered_at}, callable until {ends}")


def _storage_disagreements(
    history: BatchHistory, ended: Mapping[str, Sequence[ReadRecord]], rows: Mapping[str, Sequence[Row]]
) -> Iterator[Problem]:
    """Where the tables or ClickHouse differ from the ledger about a message that has ended."""
    for message_id, found in ended.items():
        mine = rows.get(message_id, ())
        for text in table_faults(history.states.get(message_id), mine):
            yield Problem("disagreement", message_id, f"table: {text}")
        if history.stored is not None:
            events = [one.record for one in found]
            for text in clickhouse_faults(history.stored.get(message_id), events, mine):
                yield Problem("disagreement", message_id, text)
    for person in (*(history.heard_from & {*history.batch.texted_stop}), *history.batch.opted_out):
        for text in consent_faults(history.consents.get(person)):
            yield Problem("disagreement", "", f"{person}: {text}")


def _ambiguous(
    batch: Batch, seen: Mapping[str, Sequence[ReadRecord]], rows: Mapping[str, Sequence[Row]]
) -> Iterator[str]:
    """Accepted messages that rightly ended as unknown, because nothing distinguishes them from another message.

    Twilio's list shows one message, two messages with this text to this person have unknown outcomes, and no callback
    names either of them. Calling one of them sent would hide that the other was not.
    """
    texts = {request.message_id: (request.to, request.body) for request in batch.requests}
    for message_id in sorted(rows):
        records = [one.record for one in seen[message_id]]
        given_up = any(isinstance(record, Failed) for record in records)
        proven = any(isinstance(record, Sent | TwilioCallback) for record in records)
        shown_at = [one.at for one in seen[message_id] if _is_found(one.record)]
        alike = [other for other in texts if other != message_id and texts[other] == texts[message_id]]
        if given_up and not proven and any(_is_open(seen[other], at) for other in alike for at in shown_at):
            yield message_id


def _is_open(found: Sequence[ReadRecord], at: datetime) -> bool:
    """Whether by then an attempt had been dispatched whose outcome was not certain."""
    known = [one.record for one in found if one.at < at]
    commanded = {record.attempt_id for record in known if isinstance(record, Dispatch)}
    return bool(commanded - {record.attempt_id for record in known if _is_certain(record)})


def _is_unknown(record: Any) -> bool:
    return isinstance(record, AttemptResult) and record.action is Action.SEND and record.outcome is Outcome.UNKNOWN


def _is_certain(record: Any) -> bool:
    certain = (Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NOT_SENT)
    return isinstance(record, AttemptResult) and record.outcome in certain


def _is_look_up(record: Any) -> bool:
    return isinstance(record, AttemptResult) and record.action is Action.LOOK_UP


def _is_found(record: Any) -> bool:
    return _is_look_up(record) and record.sid is not None


def _one_row(message_id: str, sid: str, row: Row, records: Sequence[Any]) -> Iterator[Problem]:
    reported = {record.status for record in records if isinstance(record, StatusChanged) and record.sid == sid}
    if not row["final"] or row["status"] not in reported:
        yield Problem("disagreement", message_id, f"the ledger says {row['status']}, the events {sorted(reported)}")
    prices = [record.price for record in records if isinstance(record, Price) and record.sid == sid]
    if row["price"] is not None and Decimal(row["price"]) not in [price if price <= 0 else -price for price in prices]:
        yield Problem("disagreement", message_id, f"the ledger's price is {row['price']}, the events' {prices}")


def _settlements(found: Sequence[ReadRecord]) -> Iterator[float | None]:
    """For each attempt with an unknown outcome: the seconds until the outcome was known or given up; None: never."""
    unknown_since: dict[int, datetime] = {}
    for one in found:
        record = one.record
        if _is_unknown(record):
            unknown_since[record.attempt] = min(unknown_since.get(record.attempt, one.at), one.at)
    for attempt, since in unknown_since.items():
        ends = [one.at for one in found if _settles(one.record, attempt)]
        yield max(0.0, (min(ends) - since).total_seconds()) if ends else None


def _settles(record: Any, attempt: int) -> bool:
    if isinstance(record, AttemptResult):
        return record.attempt == attempt and _is_certain(record)
    return isinstance(record, Sent | Failed) and record.attempt >= attempt


def _is_suppressed(record: Any) -> bool:
    return isinstance(record, Failed) and record.suppressed
