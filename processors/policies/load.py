"""Builds the policy from the shipped data and this installation's senders; `PolicyError` before anything runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from processors.core.policy import Policy, Sender, SenderType
from processors.core.sms.phone_numbers import PhoneNumber, parse_number
from processors.core.sms.rate_card import ANY
from processors.policies import tables
from processors.policies.rows import PolicyError, PolicyRow, optional, positive, present, shipped_policy

_SENDER_FIELDS = {"id", "number_type", "tier", "mps", "campaign"}
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")


def load(
    senders: Iterable[Mapping[str, object]] = (),
    pools: Mapping[str, Sequence[str]] | None = None,
    default_pool: str = "default",
) -> Policy:
    """The policy for these senders.

    A sender is a mapping: ``id`` and ``number_type`` (10dlc, toll_free, short_code, long_code, alphanumeric), and if
    wanted ``tier`` (the trust score's row in ``sender_types.csv``), ``mps`` (segments per second, in place of the
    table's), ``campaign``. Senders of one campaign share its rate in equal parts, as more numbers add nothing to it.
    Without ``pools`` all senders are in the default one.
    """
    limits = tables.sender_types(shipped_policy("sender_types.csv"))
    known = _senders(senders, limits)
    schedule, timing = tables.timing(shipped_policy("timing.toml"))
    return Policy(
        codes=tables.codes(shipped_policy("twilio_codes.csv")),
        rates=tables.rates(shipped_policy("rate_card.csv")),
        sender_types=limits,
        classes=tables.classes(shipped_policy("classes.toml")),
        keywords=tables.keywords(shipped_policy("keywords.csv")),
        retries=schedule,
        timing=timing,
        senders=known,
        pools=_pools(pools, known, default_pool),
        default_pool=default_pool,
    )


def _senders(given: Iterable[Mapping[str, object]], limits: Sequence[SenderType]) -> dict[str, Sender]:
    found: dict[str, Sender] = {}
    for place, fields in enumerate(given):
        row = PolicyRow(f"senders[{place}]", fields)
        sender = _sender(row, limits)
        if sender.id in found:
            raise row.problem("id", f"{sender.id} stands there twice")
        found[sender.id] = sender
    sharing = Counter(sender.campaign for sender in found.values())
    return {
        name: replace(sender, mps=sender.mps / sharing[sender.campaign]) if sender.campaign else sender
        for name, sender in found.items()
    }


def _sender(row: PolicyRow, limits: Sequence[SenderType]) -> Sender:
    unknown = sorted(set(row.fields) - _SENDER_FIELDS)
    if unknown:
        raise row.problem(unknown[0], f"unknown, expected some of {', '.join(sorted(_SENDER_FIELDS))}")
    sender_id = row.read("id", present)
    number_type = row.read("number_type", present)
    tier = _given(row, "tier") or ""
    limit = _limit(row, number_type, tier, _region(row, sender_id), limits)
    mps = row.read("mps", positive) if _given(row, "mps") else limit.mps
    return Sender(sender_id, _kind(sender_id), number_type, mps, _given(row, "campaign"))


def _given(row: PolicyRow, field: str) -> str | None:
    return row.read(field, optional(str)) if row.fields.get(field) is not None else None


def _kind(sender_id: str) -> Literal["number", "service"]:
    return "service" if _SERVICE.fullmatch(sender_id) else "number"


def _region(row: PolicyRow, sender_id: str) -> str:
    """The country a number belongs to, `ANY` for a service or an id that isn't a number."""
    if not sender_id.startswith("+"):
        if any(form.fullmatch(sender_id) for form in (_SERVICE, _SHORT_CODE, _ALPHANUMERIC)):
            return ANY
        raise row.problem("id", f"{sender_id!r} is no E.164 number, short code, alphanumeric id or MG… service")
    number = parse_number(sender_id)
    if not isinstance(number, PhoneNumber):
        raise row.problem("id", number.detail)
    return number.region


def _limit(row: PolicyRow, number_type: str, tier: str, region: str, limits: Sequence[SenderType]) -> SenderType:
    """The type's row for the sender's own country, as that is where most of its texts go, or for all others."""
    types = sorted({limit.type for limit in limits})
    if number_type not in types:
        raise row.problem("number_type", f"{number_type!r} is not one of {', '.join(types)}")
    by_destination = {limit.destination: limit for limit in limits if (limit.type, limit.tier) == (number_type, tier)}
    found = by_destination.get(region) or by_destination.get(ANY)
    if found is None:
        tiers = sorted({limit.tier for limit in limits if limit.type == number_type})
        raise row.problem("tier", f"{tier!r} is not one of {tiers}")
    return found


def _pools(
    given: Mapping[str, Sequence[str]] | None, senders: Mapping[str, Sender], default_pool: str
) -> dict[str, tuple[str, ...]]:
    if given is None:
        return {default_pool: tuple(senders)} if senders else {}
    for name, members in given.items():
        strangers = [member for member in members if member not in senders]
        if strangers or not members:
            what = f"{strangers[0]!r} is not a configured sender" if strangers else "has no sender"
            raise PolicyError(f"pools[{name!r}]: {what}")
    if default_pool not in given:
        raise PolicyError(f"default_pool: {default_pool!r} is not one of {', '.join(sorted(given)) or 'no pools'}")
    return {name: tuple(members) for name, members in given.items()}
