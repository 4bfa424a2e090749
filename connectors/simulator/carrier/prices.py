"""What a message costs, as Twilio's `price` says it: one negative figure, carrier fee included.

Sources: carrier fee inside the price, https://support.twilio.com/hc/en-us/articles/46871410243099; failed-message fee
and its exemptions, https://support.twilio.com/hc/en-us/articles/27502337507483. The base prices are of the size of
Twilio's list prices and stand for themselves: a simulator needs a rate card, not the market's.
"""

from dataclasses import dataclass
from decimal import Decimal

from connectors.simulator.carrier import numbering

UNIT = "USD"
FAILED_FEE = Decimal("0.001")
_PLACES = Decimal("0.00001")

_BASE = {
    "+1": Decimal("0.0083"),
    "+44": Decimal("0.0463"),
    "+49": Decimal("0.1120"),
    "+91": Decimal("0.0832"),
}
_ELSEWHERE = Decimal("0.0500")

# Fees per segment of US carriers in 2026.
_CARRIER_FEES = {"att": Decimal("0.0035")}
_CARRIER_FEE = Decimal("0.0045")

_NO_FEE_WHEN_FAILED = frozenset(
    {12400, 20500, 20504, 30103, 30500, 63010, 63012, 30036, 30002, 30454, 63038, 90010, 30450, 21408}
    | {63013, 63018, 63021, 63024, 63032, 30008}
)


@dataclass(frozen=True, slots=True)
class Charges:
    """What one message costs, positive, by the lines of an invoice."""

    message: Decimal = Decimal(0)
    carrier_fee: Decimal = Decimal(0)
    failed_fee: Decimal = Decimal(0)


def charges(status: str, code: int | None, person: str, segments: int, carrier: str | None = None) -> Charges:
    """Every segment sent is charged, an undelivered one too; a failed message costs its fee once unless exempt.

    `carrier`: the person's, where it is not the one drawn from the number.
    """
    if status in ("failed", "canceled"):
        billed = status == "failed" and code not in _NO_FEE_WHEN_FAILED
        return Charges(failed_fee=FAILED_FEE if billed else Decimal(0))
    return Charges(segments * _base(person), segments * _carrier_fee(person, carrier))


def price(
    status: str,
    code: int | None,
    person: str,
    segments: int,
    *,
    failed_fee: bool = True,
    carrier: str | None = None,
) -> Decimal | None:
    """The final price, negative, 5 places; None for what is never billed.

    The fee of a failed message may be kept out of prices (`failed_fee`): Twilio does not say whether it is in.
    """
    due = charges(status, code, person, segments, carrier)
    total = due.message + due.carrier_fee + (due.failed_fee if failed_fee else 0)
    return -total.quantize(_PLACES) if total else None


def _base(person: str) -> Decimal:
    return next((base for prefix, base in _BASE.items() if person.startswith(prefix)), _ELSEWHERE)


def _carrier_fee(person: str, carrier: str | None) -> Decimal:
    name = carrier or numbering.carrier(person)
    return Decimal(0) if name is None else _CARRIER_FEES.get(name, _CARRIER_FEE)
