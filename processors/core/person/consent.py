"""Who may be texted: what a person last said, to everything or to one program.

Nothing is overwritten: the whole history is the evidence (47 CFR 64.1200(a)(10); a STOP is kept for good).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from processors.core.person.decision import OutgoingRecord
from schemas.records import ConsentChange, ConsentState, Revocation
from schemas.states import ConsentRecord, ConsentScope
from schemas.topics import SMS_REVOCATIONS

ALL = "all"


def program_scope(program: str) -> str:
    """The scope of one program's texts."""
    return f"program:{program}"


def scopes_for(program: str | None) -> tuple[str, ...]:
    """The scopes that a message of this program falls under."""
    return (ALL,) if program is None else (ALL, program_scope(program))


def opted_out(consent: ConsentRecord, program: str | None) -> bool:
    """Whether the newest word on this program, or on everything, is no. At the same instant the no holds."""
    newest = max((entry for entry in consent.history if entry.scope in scopes_for(program)), key=_recency, default=None)
    return newest is not None and newest.state is ConsentState.OPTED_OUT


def apply_change(consent: ConsentRecord, change: ConsentChange) -> ConsentRecord:
    """The person's consent after one more change; the same change again alters nothing."""
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


def revocations(consent: ConsentRecord, scope: str) -> list[OutgoingRecord]:
    """What every sender worker must know: the newest word on this scope."""
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
    """Key of a revocation's record: one for each person and scope, so that compaction keeps the newest."""
    return f"{person}|{scope}"


def newest_revocation(revocations: Iterable[Revocation]) -> Revocation | None:
    """Of what is known about several scopes, the word that holds. At the same instant the no holds."""
    return max(revocations, key=lambda word: (word.occurred_at, word.revoked), default=None)


def _recency(entry: ConsentScope) -> tuple[object, ...]:
    return (entry.occurred_at, entry.state is ConsentState.OPTED_OUT, entry.source_id)
