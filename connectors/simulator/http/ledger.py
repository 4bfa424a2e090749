"""The ledger: every message the simulator accepted and what became of it; the oracle of whoever tests against it."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from connectors.simulator.carrier.prices import UNIT
from connectors.simulator.model.messages import Message
from connectors.simulator.model.twilio import SimulatedTwilio


def ledger_row(number: int, message: Message) -> dict[str, Any]:
    """One message as the ledger shows it; `number` is its place in it, from 1. Prices are decimal strings."""
    return {
        "number": number,
        "sid": message.sid,
        "account_sid": message.account,
        "kind": message.kind,
        "to": message.to,
        "from": message.sender,
        "service": message.service,
        "body": message.text,
        "accepted_at": message.created,
        "send_at": message.send_at,
        "callback_url": message.callback,
        "statuses": [{"status": status, "at": at} for status, at in message.history],
        "callbacks": message.posted,
        "status": message.status,
        "final": message.final,
        "error_code": message.code,
        "segments": message.segments,
        "price": None if message.price is None else f"{message.price:f}",
        "price_unit": UNIT,
        "deleted": message.deleted,
    }


def ledger_rows(
    world: SimulatedTwilio, *, after: int = 0, limit: int | None = None, to: str | None = None
) -> list[dict[str, Any]]:
    """The ledger from the row after number `after` on."""
    end = None if limit is None else after + limit
    picked = enumerate(world.store.order[after:end], start=after + 1)
    return [ledger_row(number, message) for number, message in picked if to is None or message.to == to]


def ledger_summary(world: SimulatedTwilio) -> dict[str, Any]:
    """Counts and sums, over all and by kind of message. `cost` is positive, a decimal string in USD."""
    messages = world.store.order
    kinds = sorted({message.kind for message in messages})
    return {
        **_sums(messages),
        "by_kind": {kind: _sums([message for message in messages if message.kind == kind]) for kind in kinds},
        "blocked_pairs": len(world.store.blocked),
        "due": len(world.agenda),
        "callback_tries": dict(world.mail.counts),
        "price_unit": UNIT,
    }


def _sums(messages: Iterable[Message]) -> dict[str, Any]:
    kept = list(messages)
    priced = [message.price for message in kept if message.price is not None]
    return {
        "messages": len(kept),
        "open": sum(not message.final for message in kept),
        "segments": sum(message.segments for message in kept),
        "priced": len(priced),
        "cost": f"{-sum(priced, Decimal(0)) + Decimal('0.00000'):f}",
        "by_status": dict(Counter(message.status for message in kept)),
        "by_error": dict(Counter(str(message.code) for message in kept if message.code is not None)),
        "callbacks": dict(Counter(how for message in kept for how in message.posted.values())),
    }
