"""One message from its first status to its price: sender choice, queue, hand-over, receipt, price."""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.simulator.behaviour.opt_outs import block_scope
from connectors.simulator.carrier.numbering import is_toll_free
from connectors.simulator.carrier.outcomes import HandsetOutcome, draw_outcome
from connectors.simulator.carrier.prices import compute_charges, compute_price
from connectors.simulator.carrier.routes import Routes
from connectors.simulator.carrier.segments import count_segments
from connectors.simulator.model.messages import Message
from connectors.simulator.model.scheduler import Scheduler
from connectors.simulator.model.seeded_random import draw, hex32
from connectors.simulator.model.settings import Account, DelayRange, SimulationSettings
from connectors.simulator.model.store import MessageStore
from connectors.simulator.webhooks.outbox import WebhookOutbox


class MessageLifecycle:
    """Moves messages from status to status; every step schedules the next one.

    ``routes`` are the queues and carriers on the way; their conditions may be changed at any time.
    """

    def __init__(
        self, settings: SimulationSettings, store: MessageStore, scheduler: Scheduler, outbox: WebhookOutbox
    ) -> None:
        self._settings = settings
        self._store = store
        self._scheduler = scheduler
        self._outbox = outbox
        self._scripted: dict[str, list[tuple[str, int | None]]] = defaultdict(list)
        self.routes = Routes(settings, store)

    def script(self, person: str, status: str, code: int | None, times: int) -> None:
        """Make the next ``times`` messages to this person end with this status and error code."""
        self._scripted[person].extend([(status, code)] * times)

    def is_blocked(self, account: Account, number: str, person: str) -> bool:
        """Whether Twilio knows a STOP of this person to the number or its service.

        Of a STOP to a toll-free number only the network knows.
        """
        return not is_toll_free(number) and (block_scope(account, number), person) in self._store.blocked

    def create(self, account: Account, kind: str, status: str, now: datetime, **fields: Any) -> Message:
        """Store a new message in its first status; ``fields`` are further fields of ``Message``."""
        to, text = fields["to"], fields["text"]
        number = self._store.created_count + 1
        message = Message(
            sid=("MM" if fields.get("media") else "SM") + hex32(self._settings.seed, "sid", number, now),
            account=account.sid,
            kind=kind,
            status=status,
            created=now,
            nth=self._store.same_text[to, text] + 1,
            segments=fields.pop("segments", None) or count_segments(text),
            **fields,
        )
        self._store.add(message)
        return message

    def proceed(self, message: Message, now: datetime) -> None:
        """Schedule the step that follows the message's status. A message of test credentials keeps its status."""
        if self._account(message).test_credentials:
            return
        if message.status == "scheduled":
            self._scheduler.at(max(now, message.send_at or now), self._choose_sender, message)
        elif message.status == "accepted":
            self._scheduler.at(now + self._delay("choose", message), self._choose_sender, message)
        elif message.status == "queued":
            self._enter_queues(message, now)
        elif message.status == "sent":
            self._await_receipt(message, self._decide_outcome(message), now)

    def _delay(self, step: str, message: Message) -> timedelta:
        bounds: DelayRange = getattr(self._settings.latencies, step)
        return bounds.at(draw(self._settings.seed, step, message.to, message.text, message.nth))

    def _account(self, message: Message) -> Account:
        account = self._settings.account(message.account)
        assert account is not None, f"{message.sid} belongs to {message.account}, which is not configured"
        return account

    def _choose_sender(self, message: Message, now: datetime) -> None:
        """Let the service choose a sender: always the same number for one person.

        Source: https://www.twilio.com/docs/messaging/services#sticky-sender
        """
        account = self._account(message)
        service = account.service(message.service)
        if service is None or message.status == "canceled":
            return
        chosen = message.sender or service.numbers[int(draw("sticky", message.to) * len(service.numbers))]
        if self.is_blocked(account, chosen, message.to):
            self.change_status(message, "failed", now, 21610, sender=chosen)
        elif self.routes.is_full(account, chosen, message.to, now):
            self.change_status(message, "failed", now, 30001, sender=chosen)
        else:
            self.change_status(message, "queued", now, sender=chosen)
            self._enter_queues(message, now)

    def _enter_queues(self, message: Message, now: datetime) -> None:
        leaves = self.routes.join(self._account(message), message, now)
        expires = max(now, (message.send_at or message.created) + timedelta(seconds=message.validity_s))
        if leaves > expires:
            self._scheduler.at(expires, self._expire, message)
            return
        outcome = self._decide_outcome(message)
        self._scheduler.at(leaves + outcome.depart_after, self._hand_over, message, outcome)

    def _expire(self, message: Message, now: datetime) -> None:
        self.change_status(message, "failed", now, 30036)

    def _hand_over(self, message: Message, outcome: HandsetOutcome, now: datetime) -> None:
        if outcome.status == "failed":
            self.change_status(message, "failed", now, outcome.code)
            return
        code = self.routes.refusal_code(self._account(message), message, now)
        if code is not None:
            self._store.record({"type": "refused", "sid": message.sid, "code": code})
            outcome = replace(outcome, status="undelivered", code=code)
        self.change_status(message, "sent", now)
        self._await_receipt(message, outcome, now)

    def _await_receipt(self, message: Message, outcome: HandsetOutcome, now: datetime) -> None:
        if outcome.status == "sent":
            self.schedule_price(message, now)
        else:
            self._scheduler.at(now + outcome.receipt_after, self._apply_receipt, message, outcome)

    def _apply_receipt(self, message: Message, outcome: HandsetOutcome, now: datetime) -> None:
        self.change_status(message, outcome.status, now, outcome.code)

    def _decide_outcome(self, message: Message) -> HandsetOutcome:
        """How the message ends: as its carrier refused it, else as scripted, else as drawn; replies always arrive."""
        outcome = draw_outcome(self._settings, message.to, message.text, message.nth)
        scripted = self._scripted.get(message.to)
        if message.refused is not None:
            return replace(outcome, status="undelivered", code=message.refused)
        if message.kind != "api":
            return replace(outcome, status="delivered", code=None)
        if not scripted:
            return outcome
        status, code = scripted.pop(0)
        return replace(outcome, status=status, code=code)

    def change_status(
        self, message: Message, status: str, now: datetime, code: int | None = None, sender: str | None = None
    ) -> None:
        """Record a status, enqueue its callback, and schedule the price of a final one."""
        sender = sender or message.sender
        entry = {"type": "status", "sid": message.sid, "status": status, "code": code, "at": now, "sender": sender}
        self._store.record(entry)
        self._outbox.enqueue_status(message, status, code, now)
        if message.final:
            self.schedule_price(message, now)

    def schedule_price(self, message: Message, now: datetime) -> None:
        """Schedule the price, which appears some time after the message ended."""
        self._scheduler.at(now + self._delay("price", message), self._set_price, message)

    def _set_price(self, message: Message, now: datetime) -> None:
        carrier = self.routes.carrier(message.person)
        due = compute_charges(message.status, message.code, message.person, message.segments, carrier)
        price = compute_price(due, failed_fee=self._settings.failed_fee_in_price)
        if price is not None and message.sid in self._store.messages:  # no longer there after a reset
            self._store.record({"type": "price", "sid": message.sid, "price": str(price), "at": now})
