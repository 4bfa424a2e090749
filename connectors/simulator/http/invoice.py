"""The invoice: message prices, carrier fees and failed-message fees, each on lines of their own.

A failed message's fee is on the invoice, whether or not ``price`` includes it.

Source: https://support.twilio.com/hc/en-us/articles/360016571913 (names of the lines: Twilio's usage categories) and
https://support.twilio.com/hc/en-us/articles/27502337507483 (failed-message fee).
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.carrier.prices import Charges, compute_charges
from connectors.simulator.model.messages import PRICE_UNIT, Message

# Each field of Charges with the categories of outbound and of inbound messages.
_CATEGORIES = {
    "message": ("sms-outbound", "sms-inbound"),
    "carrier_fee": ("sms-messages-carrierfees", "sms-messages-carrierfees"),
    "failed_fee": ("failed-message-processing-fee", "failed-message-processing-fee"),
}


@dataclass(slots=True)
class _InvoiceLine:
    count: int = 0
    segments: int = 0
    amount: Decimal = Decimal(0)


def build_invoice(
    twilio: SimulatedTwilio, *, account: str | None = None, since: date | None = None, until: date | None = None
) -> dict[str, Any]:
    """The invoice as JSON values.

    A message is billed on the day it was sent, failed or received, also before its price is known.

    Args:
        twilio: The simulated Twilio.
        account: SID of one account; None: all accounts.
        since: First GMT day; None: from the beginning.
        until: Last GMT day; None: to the end.

    Returns:
        The lines and their total. Amounts are positive decimal strings; ``count`` counts messages.
    """
    lines = {name: _InvoiceLine() for pair in _CATEGORIES.values() for name in pair}
    for message in twilio.store.order:
        if account in (None, message.account) and _is_billed_in(message, since, until):
            for name, amount in _amounts(message, _charges(twilio, message)):
                _add(lines[name], message, amount)
    return {
        "account_sid": account,
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "currency": PRICE_UNIT,
        "lines": [_line_json(name, line) for name, line in lines.items() if line.count],
        "total": f"{sum((line.amount for line in lines.values()), Decimal('0.00000')):f}",
    }


def _is_billed_in(message: Message, since: date | None, until: date | None) -> bool:
    if message.sent_at is None and not message.final:
        return False
    day = (message.sent_at or message.history[-1][1]).date()
    return (since is None or day >= since) and (until is None or day <= until)


def _charges(twilio: SimulatedTwilio, message: Message) -> Charges:
    carrier = twilio.lifecycle.routes.carrier(message.person)
    return compute_charges(message.status, message.code, message.person, message.segments, carrier)


def _amounts(message: Message, due: Charges) -> Iterator[tuple[str, Decimal]]:
    for field in fields(due):
        amount = getattr(due, field.name)
        if amount:
            yield _CATEGORIES[field.name][message.kind == "inbound"], amount


def _add(line: _InvoiceLine, message: Message, amount: Decimal) -> None:
    line.count += 1
    line.segments += message.segments
    line.amount += amount


def _line_json(name: str, line: _InvoiceLine) -> dict[str, Any]:
    return {"category": name, "count": line.count, "segments": line.segments, "price": f"{line.amount:f}"}
