"""The month's bill: what prices add up to, with carrier fees and failed-message fees on lines of their own.

Lines are named like Twilio's usage categories: https://support.twilio.com/hc/en-us/articles/360016571913
A failed message's fee is on the bill whether or not it shows in `price`:
https://support.twilio.com/hc/en-us/articles/27502337507483
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from connectors.simulator.carrier.prices import UNIT, Charges, charges
from connectors.simulator.model.messages import Message
from connectors.simulator.model.twilio import SimulatedTwilio

_LINES = {
    "message": ("sms-outbound", "sms-inbound"),
    "carrier_fee": ("sms-messages-carrierfees", "sms-messages-carrierfees"),
    "failed_fee": ("failed-message-processing-fee", "failed-message-processing-fee"),
}


@dataclass(slots=True)
class _InvoiceLine:
    count: int = 0
    segments: int = 0
    amount: Decimal = Decimal(0)


def invoice(
    world: SimulatedTwilio, *, account: str | None = None, since: date | None = None, until: date | None = None
) -> dict[str, Any]:
    """The bill of one account, or of all, for GMT days from `since` to `until`, both included.

    A message is billed on the day it left, failed or came in, whether its price is shown yet or not. Amounts are
    positive decimal strings; `count` is of messages.
    """
    lines = {name: _InvoiceLine() for pair in _LINES.values() for name in pair}
    for message in world.store.order:
        if account in (None, message.account) and _in(message, since, until):
            for name, amount in _amounts(message, _charges(world, message)):
                _add(lines[name], message, amount)
    return {
        "account_sid": account,
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "currency": UNIT,
        "lines": [_shown(name, line) for name, line in lines.items() if line.count],
        "total": f"{sum((line.amount for line in lines.values()), Decimal('0.00000')):f}",
    }


def _in(message: Message, since: date | None, until: date | None) -> bool:
    if message.sent_at is None and not message.final:
        return False
    day = (message.sent_at or message.history[-1][1]).date()
    return (since is None or day >= since) and (until is None or day <= until)


def _charges(world: SimulatedTwilio, message: Message) -> Charges:
    person = (message.sender if message.kind == "inbound" else message.to) or ""
    return charges(message.status, message.code, person, message.segments, world.life.routes.carrier(person))


def _amounts(message: Message, due: Charges) -> Iterator[tuple[str, Decimal]]:
    for field in fields(due):
        amount = getattr(due, field.name)
        if amount:
            yield _LINES[field.name][message.kind == "inbound"], amount


def _add(line: _InvoiceLine, message: Message, amount: Decimal) -> None:
    line.count += 1
    line.segments += message.segments
    line.amount += amount


def _shown(name: str, line: _InvoiceLine) -> dict[str, Any]:
    return {"category": name, "count": line.count, "segments": line.segments, "price": f"{line.amount:f}"}
