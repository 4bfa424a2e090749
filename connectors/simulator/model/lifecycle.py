"""One message's way from its first status to its price: sender chosen, queued, departed, receipt, bill."""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.simulator.carrier.numbering import toll_free
from connectors.simulator.carrier.outcomes import HandsetOutcome, draw_outcome
from connectors.simulator.carrier.prices import price
from connectors.simulator.carrier.routes import Routes
from connectors.simulator.carrier.segments import count_segments
from connectors.simulator.model.messages import Message
from connectors.simulator.model.optouts import scope
from connectors.simulator.model.scheduler import Scheduler
from connectors.simulator.model.seeded_random import draw, hex32
from connectors.simulator.model.settings import Account, SimulationSettings, Span
from connectors.simulator.model.store import MessageStore
from connectors.simulator.webhooks.outbox import WebhookOutbox


class MessageLifecycle:
    """Moves messages; every step enters the next one in the agenda."""

    def __init__(
        self, settings: SimulationSettings, store: MessageStore, agenda: Scheduler, mail: WebhookOutbox
    ) -> None:
        self._settings = settings
        self._store = store
        self._agenda = agenda
        self._mail = mail
        self._scripted: dict[str, list[tuple[str, int | None]]] = defaultdict(list)
        self.routes = Routes(settings, store)

    def script(self, person: str, status: str, code: int | None, times: int) -> None:
        """The next `times` messages to this person end like this, whatever the mix says."""
        self._scripted[person].extend([(status, code)] * times)

    def blocked(self, account: Account, number: str, person: str) -> bool:
        """Whether Twilio knows that the person said STOP to this number or its service; of toll-free it does not."""
        return not toll_free(number) and (scope(account, number), person) in self._store.blocked

    def born(self, account: Account, kind: str, status: str, now: datetime, **given: Any) -> Message:
        """A new message in its first status."""
        to, text = given["to"], given["text"]
        number = self._store.born + 1
        message = Message(
            sid=("MM" if given.get("media") else "SM") + hex32(self._settings.seed, "sid", number, now),
            account=account.sid,
            kind=kind,
            status=status,
            created=now,
            nth=self._store.same[to, text] + 1,
            segments=given.pop("segments", None) or count_segments(text),
            **given,
        )
        self._store.add(message)
        return message

    def begin(self, message: Message, now: datetime) -> None:
        """Go on from the status the message has. What test credentials create stays as it is."""
        if self._account(message).test_credentials:
            return
        if message.status == "scheduled":
            self._agenda.at(max(now, message.send_at or now), self._choose, message)
        elif message.status == "accepted":
            self._agenda.at(now + self._span("choose", message), self._choose, message)
        elif message.status == "queued":
            self._queue(message, now)
        elif message.status == "sent":
            self._await_receipt(message, self._outcome(message), now)

    def _span(self, step: str, message: Message) -> timedelta:
        span: Span = getattr(self._settings.latencies, step)
        return span.at(draw(self._settings.seed, step, message.to, message.text, message.nth))

    def _account(self, message: Message) -> Account:
        account = self._settings.account(message.account)
        assert account is not None, f"{message.sid} belongs to {message.account}, which is not configured"
        return account

    def _choose(self, message: Message, now: datetime) -> None:
        """The service picks a sender: always the same for one person, as its sticky sender does."""
        account = self._account(message)
        service = account.service(message.service)
        if service is None or message.status == "canceled":
            return
        chosen = message.sender or service.numbers[int(draw("sticky", message.to) * len(service.numbers))]
        if self.blocked(account, chosen, message.to):
            self.move(message, "failed", now, 21610, sender=chosen)
        elif self.routes.full(account, chosen, message.to, now):
            self.move(message, "failed", now, 30001, sender=chosen)
        else:
            self.move(message, "queued", now, sender=chosen)
            self._queue(message, now)

    def _queue(self, message: Message, now: datetime) -> None:
        leaves = self.routes.join(self._account(message), message, now)
        expires = max(now, (message.send_at or message.created) + timedelta(seconds=message.validity_s))
        if leaves > expires:
            self._agenda.at(expires, self._expire, message)
            return
        fate = self._outcome(message)
        self._agenda.at(leaves + fate.depart_after, self._depart, message, fate)

    def _expire(self, message: Message, now: datetime) -> None:
        self.move(message, "failed", now, 30036)

    def _depart(self, message: Message, fate: HandsetOutcome, now: datetime) -> None:
        if fate.status == "failed":
            self.move(message, "failed", now, fate.code)
            return
        code = self.routes.refusal(self._account(message), message, now)
        if code is not None:
            self._store.say({"fact": "refused", "sid": message.sid, "code": code})
            fate = replace(fate, status="undelivered", code=code)
        self.move(message, "sent", now)
        self._await_receipt(message, fate, now)

    def _await_receipt(self, message: Message, fate: HandsetOutcome, now: datetime) -> None:
        if fate.status == "sent":
            self.bill_later(message, now)
        else:
            self._agenda.at(now + fate.receipt_after, self._receipt, message, fate)

    def _receipt(self, message: Message, fate: HandsetOutcome, now: datetime) -> None:
        self.move(message, fate.status, now, fate.code)

    def _outcome(self, message: Message) -> HandsetOutcome:
        fate = draw_outcome(self._settings, message.to, message.text, message.nth)
        scripted = self._scripted.get(message.to)
        if message.refused is not None:
            return replace(fate, status="undelivered", code=message.refused)
        if message.kind != "api":
            return HandsetOutcome("delivered", None, fate.depart_after, fate.receipt_after)
        if not scripted:
            return fate
        status, code = scripted.pop(0)
        return HandsetOutcome(status, code, fate.depart_after, fate.receipt_after)

    def move(
        self, message: Message, status: str, now: datetime, code: int | None = None, sender: str | None = None
    ) -> None:
        """Enter a status, tell of it, and bill a final one."""
        sender = sender or message.sender
        fact = {"fact": "status", "sid": message.sid, "status": status, "code": code, "at": now, "sender": sender}
        self._store.say(fact)
        self._mail.tell_status(message, status, code, now)
        if message.final:
            self.bill_later(message, now)

    def bill_later(self, message: Message, now: datetime) -> None:
        """The price comes some time after the end."""
        self._agenda.at(now + self._span("price", message), self._bill, message)

    def _bill(self, message: Message, now: datetime) -> None:
        person = (message.sender if message.kind == "inbound" else message.to) or ""
        fee = self._settings.failed_fee_in_price
        carrier = self.routes.carrier(person)
        amount = price(message.status, message.code, person, message.segments, failed_fee=fee, carrier=carrier)
        if amount is not None and message.sid in self._store.messages:
            self._store.say({"fact": "price", "sid": message.sid, "price": str(amount), "at": now})
