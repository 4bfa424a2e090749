"""The ledger: every message that the simulator accepted and how it ended, against which tests compare."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.model.messages import PRICE_UNIT, Message


def ledger_row(number: int, message: Message) -> dict[str, Any]:
    """One message as JSON values; ``number`` is its position in the ledger, from 1. Prices are decimal strings."""
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
        "callbacks": message.callback_results,
        "status": message.status,
        "final": message.final,
        "error_code": message.code,
        "segments": message.segments,
        "price": None if message.price is None else f"{message.price:f}",
        "price_unit": PRICE_UNIT,
        "deleted": message.deleted,
    }


def ledger_rows(
    twilio: SimulatedTwilio, *, after: int = 0, limit: int | None = None, to: str | None = None
) -> list[dict[str, Any]]:
    """The rows after number ``after``: of the next ``limit``, those to the recipient ``to``; without either, all."""
    end = None if limit is None else after + limit
    picked = enumerate(twilio.store.order[after:end], start=after + 1)
    return [ledger_row(number, message) for number, message in picked if to is None or message.to == to]


def ledger_summary(twilio: SimulatedTwilio) -> dict[str, Any]:
    """Counts and sums, over all messages and by kind. ``cost`` is positive, a decimal string in USD."""
    messages = twilio.store.order
    kinds = sorted({message.kind for message in messages})
    return {
        **_sums(messages),
        "by_kind": {kind: _sums([message for message in messages if message.kind == kind]) for kind in kinds},
        "blocked_pairs": len(twilio.store.blocked),
        "due": len(twilio.scheduler),
        "callback_tries": dict(twilio.outbox.try_counts),
        "price_unit": PRICE_UNIT,
    }


def _sums(messages: Iterable[Message]) -> dict[str, Any]:
    listed = list(messages)
    priced = [message.price for message in listed if message.price is not None]
    return {
        "messages": len(listed),
        "open": sum(not message.final for message in listed),
        "segments": sum(message.segments for message in listed),
        "priced": len(priced),
        "cost": f"{-sum(priced, Decimal(0)) + Decimal('0.00000'):f}",
        "by_status": dict(Counter(message.status for message in listed)),
        "by_error": dict(Counter(str(message.code) for message in listed if message.code is not None)),
        "callbacks": dict(Counter(result for message in listed for result in message.callback_results.values())),
    }
