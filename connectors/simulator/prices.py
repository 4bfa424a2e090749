"""What a message costs, as Twilio's `price` says it: one negative figure, carrier fee included.

Sources: carrier fee inside the price, https://support.twilio.com/hc/en-us/articles/46871410243099; failed-message fee
and its exemptions, https://support.twilio.com/hc/en-us/articles/27502337507483. The base prices are of the size of
Twilio's list prices and stand for themselves: a twin needs a rate card, not the market's.
"""

from decimal import Decimal

from connectors.simulator.chance import draw

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

# Fees per segment of US carriers in 2026; shares of subscribers are round figures.
_CARRIER_FEES = ((0.30, Decimal("0.0035")), (1.00, Decimal("0.0045")))

_NO_FEE_WHEN_FAILED = frozenset(
    {12400, 20500, 20504, 30103, 30500, 63010, 63012, 30036, 30002, 30454, 63038, 90010, 30450, 21408}
    | {63013, 63018, 63021, 63024, 63032, 30008}
)


def price(status: str, code: int | None, person: str, segments: int, *, failed_fee: bool = True) -> Decimal | None:
    """The final price, negative, 5 places; None for what is never billed.

    Every segment sent is charged, an undelivered one too. A failed message costs its fee once, whatever its length,
    unless its code is exempt or the fee is kept out of prices (`failed_fee`): Twilio does not say whether it is in.
    """
    if status in ("failed", "canceled"):
        billed = failed_fee and status == "failed" and code not in _NO_FEE_WHEN_FAILED
        return -FAILED_FEE.quantize(_PLACES) if billed else None
    return -(segments * (_base(person) + _carrier_fee(person))).quantize(_PLACES)


def _base(person: str) -> Decimal:
    return next((base for prefix, base in _BASE.items() if person.startswith(prefix)), _ELSEWHERE)


def _carrier_fee(person: str) -> Decimal:
    if not person.startswith("+1"):
        return Decimal(0)
    share = draw("carrier", person)
    return next(fee for bound, fee in _CARRIER_FEES if share < bound)
