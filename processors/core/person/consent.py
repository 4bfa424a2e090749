"""Consent: whether a person may be texted, by what the person last said about everything or about one program.

Nothing is overwritten: the whole history is the evidence.
Source: 47 CFR 64.1200(a)(10), revocation of consent; an opt-out does not expire.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from processors.core.person.decision import OutgoingRecord
from schemas.enums import ConsentState
from schemas.records import ConsentChange, Revocation
from schemas.states import ConsentRecord, ConsentScope
from schemas.topics import SMS_REVOCATIONS

ALL = "all"
"""The scope of every text."""


def empty_consent(number: str) -> ConsentRecord:
    """The consent of a person who never said anything."""
    return ConsentRecord(person=number)


def program_scope(program: str) -> str:
    """The scope of one program's texts."""
    return f"program:{program}"


def scopes_for(program: str | None) -> tuple[str, ...]:
    """The scopes that a message of this program falls under."""
    return (ALL,) if program is None else (ALL, program_scope(program))


def is_opted_out(consent: ConsentRecord, program: str | None) -> bool:
    """Whether the newest entry for this program, or for everything, is an opt-out.

    Of two entries with the same time the opt-out counts.
    """
    scopes = scopes_for(program)
    newest = max((entry for entry in consent.history if entry.scope in scopes), key=_recency, default=None)
    return newest is not None and newest.state is ConsentState.OPTED_OUT


def apply_change(consent: ConsentRecord, change: ConsentChange) -> ConsentRecord:
    """The person's consent after one more change. A change that was applied before alters nothing."""
    if any(entry.source_id == change.change_id and entry.scope == change.scope for entry in consent.history):
        return consent
    entry = ConsentScope(
        scope=change.scope,
        state=change.state,
        channel=change.channel,
        evidence=change.evidence,
        source_id=change.change_id,
        occurred_at=change.occurred_at,
    )
    return replace(consent, history=sorted([*consent.history, entry], key=_recency))


def revocation_records(consent: ConsentRecord, scope: str) -> list[OutgoingRecord]:
    """What every sender worker must know about this scope: its newest entry. Empty where the scope has none."""
    newest = max((entry for entry in consent.history if entry.scope == scope), key=_recency, default=None)
    if newest is None:
        return []
    revocation = Revocation(
        person=consent.person,
        scope=scope,
        revoked=newest.state is ConsentState.OPTED_OUT,
        source_id=newest.source_id,
        occurred_at=newest.occurred_at,
    )
    return [OutgoingRecord(SMS_REVOCATIONS, revocation_key(consent.person, scope), revocation)]


def revocation_key(person: str, scope: str) -> str:
    """The key of a revocation's record: one per person and scope, so that compaction retains the newest."""
    return f"{person}|{scope}"


def newest_revocation(revocations: Iterable[Revocation]) -> Revocation | None:
    """The revocation that counts among those of several scopes: the newest; of two with the same time, the opt-out."""
    return max(revocations, key=lambda revocation: (revocation.occurred_at, revocation.revoked), default=None)


def _recency(entry: ConsentScope) -> tuple[object, ...]:
    """Sort key: time, then opt-out after opt-in, then the id, so that the order never depends on arrival."""
    return (entry.occurred_at, entry.state is ConsentState.OPTED_OUT, entry.source_id)
