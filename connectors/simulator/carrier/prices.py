"""What a message costs. Twilio's ``price`` is one negative number that includes the carrier fee.

The base prices have the size of Twilio's list prices and are not the market's: a simulator needs a rate card, not the
current one.

Source: https://support.twilio.com/hc/en-us/articles/46871410243099 (carrier fee within the price) and
https://support.twilio.com/hc/en-us/articles/27502337507483 (failed-message fee and its exemptions).
"""

from dataclasses import dataclass
from decimal import Decimal

from connectors.simulator.carrier import numbering

FAILED_FEE = Decimal("0.001")
_PLACES = Decimal("0.00001")

_BASE = {
    "+1": Decimal("0.0083"),
    "+44": Decimal("0.0463"),
    "+49": Decimal("0.1120"),
    "+91": Decimal("0.0832"),
}
_BASE_ELSEWHERE = Decimal("0.0500")

# Fees per segment of US carriers in 2026.
_CARRIER_FEES = {"att": Decimal("0.0035")}
_CARRIER_FEE = Decimal("0.0045")

_NO_FEE_WHEN_FAILED = frozenset(
    {12400, 20500, 20504, 30103, 30500, 63010, 63012, 30036, 30002, 30454, 63038, 90010, 30450, 21408}
    | {63013, 63018, 63021, 63024, 63032, 30008}
)


@dataclass(frozen=True, slots=True)
class Charges:
    """What one message costs, positive, in USD, by the lines of an invoice."""

    message: Decimal = Decimal(0)
    carrier_fee: Decimal = Decimal(0)
    failed_fee: Decimal = Decimal(0)


def compute_charges(status: str, code: int | None, person: str, segments: int, carrier: str | None = None) -> Charges:
    """The charges of one message.

    Every segment that was sent is charged, also of an undelivered message. A failed message costs its fee once, unless
    its error code is exempt.

    Args:
        status: The message's status.
        code: Its error code, or None.
        person: The person's number, E.164.
        segments: How many segments it has.
        carrier: The person's carrier, where it is not the one drawn from the number.
    """
    if status in ("failed", "canceled"):
        billed = status == "failed" and code not in _NO_FEE_WHEN_FAILED
        return Charges(failed_fee=FAILED_FEE if billed else Decimal(0))
    return Charges(segments * _base_price(person), segments * _carrier_fee(person, carrier))


def compute_price(due: Charges, *, failed_fee: bool = True) -> Decimal | None:
    """The final price: negative, 5 decimal places; None for a message that is never billed.

    ``failed_fee``: whether the price includes the fee of a failed message. Twilio does not document that.
    """
    total = due.message + due.carrier_fee + (due.failed_fee if failed_fee else 0)
    return -total.quantize(_PLACES) if total else None


def _base_price(person: str) -> Decimal:
    return next((base for prefix, base in _BASE.items() if person.startswith(prefix)), _BASE_ELSEWHERE)


def _carrier_fee(person: str, carrier: str | None) -> Decimal:
    name = carrier or numbering.draw_carrier(person)
    return Decimal(0) if name is None else _CARRIER_FEES.get(name, _CARRIER_FEE)
