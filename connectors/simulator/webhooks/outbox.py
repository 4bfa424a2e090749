"""The world's outgoing webhooks: which status is told to whom, when, how often, and what became of it."""

from collections import Counter
from datetime import datetime, timedelta

from connectors.simulator.model.faults import disturb
from connectors.simulator.model.messages import Message
from connectors.simulator.model.scheduler import Scheduler
from connectors.simulator.model.settings import Account, SimulationSettings
from connectors.simulator.model.store import MessageStore
from connectors.simulator.webhooks.payloads import (
    WEBHOOK_ERRORS,
    WebhookDelivery,
    WebhookResponse,
    delivery,
    inbound_fields,
    retry,
    status_fields,
)

# No callback is sent for the status a message begins with:
# https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
TOLD = frozenset({"queued", "canceled", "sent", "failed", "delivered", "undelivered"})
# What is told of an incoming message, first to its URL and then to the fallback.
INBOUND = ("received", "fallback")
RETRY_PAUSE = timedelta(seconds=1)  # Twilio publishes no spacing; five of these fit in its 15 seconds


class WebhookOutbox:
    """Deliveries that are due collect in `out`; whoever posts them reports back through `ended`."""

    def __init__(self, settings: SimulationSettings, store: MessageStore, agenda: Scheduler) -> None:
        self._settings = settings
        self._store = store
        self._agenda = agenda
        self._held: dict[str, WebhookDelivery] = {}
        self.faults = settings.callback_faults
        self.out: list[WebhookDelivery] = []
        self.counts: Counter[str] = Counter()

    def tell_status(self, message: Message, status: str, code: int | None, now: datetime) -> None:
        """Post a status callback, unless a fault says otherwise."""
        account = self._account(message)
        url = callback_url(message, account)
        if url is None or account.test_credentials:
            return
        fields = status_fields(message, status, code, now)
        self._send(delivery(message, status, url, fields, account, now), now, last=message.final)

    def tell_inbound(self, message: Message, now: datetime) -> None:
        """Post an incoming message to the number's or service's URL."""
        account = self._account(message)
        url = inbound_url(message, account)
        if url is not None:
            self._agenda.at(now, self._post, delivery(message, "received", url, inbound_fields(message), account, now))

    def ended(self, tried: WebhookDelivery, reply: WebhookResponse, now: datetime) -> None:
        """A try is over: note it, or try again by the URL's rules."""
        self.counts[reply.kind] += 1
        following = retry(tried, reply, now, RETRY_PAUSE)
        if following is not None:
            self._agenda.at(now + RETRY_PAUSE, self._post, following)
            return
        self._note(tried, "delivered" if reply.kind == "ok" else "given_up")
        if tried.topic == "received" and reply.kind != "ok":
            self._tell_fallback(tried.sid, WEBHOOK_ERRORS[reply.kind], now)

    def _tell_fallback(self, sid: str, code: int, now: datetime) -> None:
        """Post an incoming message to the fallback URL, with the reason.

        Source: https://www.twilio.com/docs/usage/security/availability-reliability
        """
        message = self._store.messages.get(sid)
        if message is None:
            return
        account = self._account(message)
        url, failed = fallback_url(message, account), inbound_url(message, account)
        if url is not None and failed is not None:
            fields = inbound_fields(message) | {"ErrorCode": str(code), "ErrorUrl": failed.partition("#")[0]}
            self._agenda.at(now, self._post, delivery(message, "fallback", url, fields, account, now))

    def resume(self, message: Message, now: datetime) -> None:
        """After a restart: post again what nobody noted as posted."""
        for status, _at in message.history[1:]:
            if status in TOLD and status not in message.posted:
                self.tell_status(message, status, message.code if status == message.status else None, now)
        if message.kind == "inbound" and "received" not in message.posted:
            self.tell_inbound(message, now)
        elif message.posted.get("received") == "given_up" and "fallback" not in message.posted:
            self._tell_fallback(message.sid, WEBHOOK_ERRORS["5xx"], now)

    def _send(self, new: WebhookDelivery, now: datetime, *, last: bool) -> None:
        fate = disturb(self.faults, self._settings.seed, new.sid, new.topic)
        held = self._held.pop(new.sid, None)
        if fate.lost:
            self._note(new, "lost")
        elif fate.held and not last:
            self._held[new.sid] = new
            self._agenda.at(now + self.faults.late_by, self._release, new)
        else:
            self._plan(new, now + fate.delay, fate.again_after)
        if held is not None:
            self._agenda.at(now + fate.delay, self._post, held)

    def _plan(self, new: WebhookDelivery, when: datetime, again_after: timedelta | None) -> None:
        self._agenda.at(when, self._post, new)
        if again_after is not None:
            self._agenda.at(when + again_after, self._post, new)

    def _release(self, held: WebhookDelivery, when: datetime) -> None:
        """No other callback has come to overtake the held one."""
        if self._held.get(held.sid) is held:
            del self._held[held.sid]
            self._post(held, when)

    def _post(self, due: WebhookDelivery, _when: datetime) -> None:
        self.out.append(due)

    def _note(self, what: WebhookDelivery, how: str) -> None:
        message = self._store.messages.get(what.sid)
        if message is not None and message.posted.get(what.topic) != "delivered":
            self._store.say({"fact": "posted", "sid": what.sid, "topic": what.topic, "how": how})

    def _account(self, message: Message) -> Account:
        account = self._settings.account(message.account)
        assert account is not None, f"{message.sid} belongs to {message.account}, which is not configured"
        return account


def callback_url(message: Message, account: Account) -> str | None:
    """The message's own status-callback URL, or its service's."""
    service = account.service(message.service)
    return message.callback or (service.status_callback if service else None)


def inbound_url(message: Message, account: Account) -> str | None:
    """Where incoming messages of this number go."""
    service = account.service(message.service)
    return (service.inbound_url if service else None) or account.inbound_url


def fallback_url(message: Message, account: Account) -> str | None:
    """Where incoming messages go when that fails."""
    service = account.service(message.service)
    return (service.fallback_url if service else None) or account.fallback_url
