"""Which row of Twilio's list is an attempt's message. Pure.

A row wrongly taken for ours hides a text never sent, a row wrongly passed over sends it twice: so the comparison is
tolerant of what Twilio does to a text, and what it leaves open is called ambiguous rather than guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.twilio.api.create_params import is_service
from schemas.enums import Outcome
from schemas.records import Dispatch
from schemas.text_comparison import letters_and_digits


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """One message as the list shows it; ``created_by_api`` is false for inbound messages and for TwiML's answers."""

    sid: str
    status: str
    sender_number: str | None
    messaging_service: str | None
    body: str
    created_by_api: bool
    date_created: datetime | None
    error_code: int | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """``accepted`` with its row, ``absent``, or ``unknown`` where several rows may be it."""

    outcome: Outcome
    row: ListRow | None = None


def match(look_up: Dispatch, rows: Iterable[ListRow], now: datetime) -> Match:
    """Find the attempt's message.

    Rows from its sender, of its time and claimed by nobody else are compared by text: first exactly (spacing apart),
    then by letters and digits alone. A text that Twilio composes (a template, media alone, shortened links) or has
    redacted cannot be compared: such a row is taken if it is the only one.
    """
    candidates = sorted((row for row in rows if _may_be(look_up, row, now)), key=_created)
    if look_up.body is not None and not look_up.shorten_urls:
        for form in (_spaced, letters_and_digits):
            wanted = form(look_up.body)
            same = [row for row in candidates if wanted and form(row.body) == wanted]
            if same:
                return Match(Outcome.ACCEPTED, same[0])
        if not look_up.smart_encoding:
            candidates = [row for row in candidates if not row.body.strip()]
    return _only(candidates)


def _only(candidates: Sequence[ListRow]) -> Match:
    if not candidates:
        return Match(Outcome.ABSENT)
    return Match(Outcome.ACCEPTED, candidates[0]) if len(candidates) == 1 else Match(Outcome.UNKNOWN)


def window(look_up: Dispatch, now: datetime) -> tuple[datetime, datetime]:
    """When the message can have been created. Twilio's times are whole seconds, rounded down."""
    after = look_up.called_after or look_up.issued_at
    return after.replace(microsecond=0), look_up.called_before or now


def _may_be(look_up: Dispatch, row: ListRow, now: datetime) -> bool:
    after, before = window(look_up, now)
    sender = row.messaging_service if is_service(look_up.sender) else row.sender_number
    return (
        row.created_by_api
        and sender == look_up.sender
        and row.sid not in look_up.claimed_sids
        and row.date_created is not None
        and after <= row.date_created <= before
    )


def _created(row: ListRow) -> tuple[datetime, str]:
    assert row.date_created is not None
    return row.date_created, row.sid


def _spaced(text: str) -> str:
    return " ".join(text.split())


def day(of: datetime, plus: int = 0) -> str:
    """The list's filters know days only, in GMT."""
    return (of + timedelta(days=plus)).date().isoformat()
