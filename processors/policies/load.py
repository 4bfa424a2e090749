"""Builds the policy from the shipped data and this installation's senders and pools."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal
from zoneinfo import available_timezones

from processors.core.policy import Policy, Sender, SenderType
from processors.core.sms.phone_numbers import PhoneNumber, parse_number
from processors.core.sms.rate_card import ANY
from processors.policies import tables
from processors.policies.fields import Present, SegmentsPerSecond
from processors.policies.rows import Place, PolicyError, PolicyRow, check_rows, shipped_policy

_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")


def load(
    senders: Iterable[Mapping[str, object]] = (),
    pools: Mapping[str, Sequence[str]] | None = None,
    default_pool: str = "default",
) -> Policy:
    """The policy for these senders.

    Args:
        senders: Each with the fields of ``SenderRow``. Senders of one campaign share its rate in equal parts, as more
            numbers add nothing to it.
        pools: Name → sender ids; without it all senders are in the default pool.
        default_pool: The pool of a request that names none.

    Raises:
        PolicyError: A data file, a sender or a pool is wrong.
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
        time_zones=frozenset(available_timezones()),
    )


class SenderRow(PolicyRow):
    """One configured sender.

    ``number_type`` is 10dlc, toll_free, short_code, long_code or alphanumeric; ``tier`` is the trust score's row in
    ``sender_types.csv``; ``mps`` are segments per second, in place of the table's.
    """

    id: Present
    number_type: Present
    tier: str | None = None
    mps: SegmentsPerSecond | None = None
    campaign: str | None = None


def _senders(given: Iterable[Mapping[str, object]], limits: Sequence[SenderType]) -> dict[str, Sender]:
    found: dict[str, Sender] = {}
    for place, row in check_rows([(f"senders[{index}]", fields) for index, fields in enumerate(given)], SenderRow):
        if row.id in found:
            raise PolicyError(f"{place}, id: {row.id} stands there twice")
        found[row.id] = _sender(place, row, limits)
    sharing = Counter(sender.campaign for sender in found.values())
    return {
        name: replace(sender, mps=sender.mps / sharing[sender.campaign]) if sender.campaign else sender
        for name, sender in found.items()
    }


def _sender(place: Place, row: SenderRow, limits: Sequence[SenderType]) -> Sender:
    limit = _limit(place, row, _region(place, row.id), limits)
    return Sender(row.id, _kind(row.id), row.number_type, row.mps or limit.mps, row.campaign or None)


def _kind(sender_id: str) -> Literal["number", "service"]:
    return "service" if _SERVICE.fullmatch(sender_id) else "number"


def _region(place: Place, sender_id: str) -> str:
    """The country a number belongs to, ``ANY`` for a service or an id that is not a number."""
    if not sender_id.startswith("+"):
        if any(form.fullmatch(sender_id) for form in (_SERVICE, _SHORT_CODE, _ALPHANUMERIC)):
            return ANY
        raise PolicyError(f"{place}, id: {sender_id!r} is no E.164 number, short code, alphanumeric id or MG… service")
    number = parse_number(sender_id)
    if not isinstance(number, PhoneNumber):
        raise PolicyError(f"{place}, id: {number.detail}")
    return number.region


def _limit(place: Place, row: SenderRow, region: str, limits: Sequence[SenderType]) -> SenderType:
    """The type's row for the sender's own country, as that is where most of its texts go, or for all others."""
    number_type, tier = row.number_type, row.tier or ""
    types = sorted({limit.type for limit in limits})
    if number_type not in types:
        raise PolicyError(f"{place}, number_type: {number_type!r} is not one of {', '.join(types)}")
    by_destination = {limit.destination: limit for limit in limits if (limit.type, limit.tier) == (number_type, tier)}
    found = by_destination.get(region) or by_destination.get(ANY)
    if found is None:
        tiers = sorted({limit.tier for limit in limits if limit.type == number_type})
        raise PolicyError(f"{place}, tier: {tier!r} is not one of {tiers}")
    return found


def _pools(
    given: Mapping[str, Sequence[str]] | None, senders: Mapping[str, Sender], default_pool: str
) -> dict[str, tuple[str, ...]]:
    if given is None:
        return {default_pool: tuple(senders)} if senders else {}
    for name, members in given.items():
        unknown = [member for member in members if member not in senders]
        if unknown or not members:
            problem = f"{unknown[0]!r} is not a configured sender" if unknown else "has no sender"
            raise PolicyError(f"pools[{name!r}]: {problem}")
    if default_pool not in given:
        raise PolicyError(f"default_pool: {default_pool!r} is not one of {', '.join(sorted(given)) or 'no pools'}")
    return {name: tuple(members) for name, members in given.items()}
