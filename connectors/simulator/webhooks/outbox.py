"""The simulated Twilio's webhooks: which are due when, how often each is tried, and how each ended."""

from collections import Counter
from datetime import datetime, timedelta

from connectors.simulator.model.faults import draw_disturbance
from connectors.simulator.model.messages import Message
from connectors.simulator.model.scheduler import Scheduler
from connectors.simulator.model.settings import Account, SimulationSettings
from connectors.simulator.model.store import MessageStore
from connectors.simulator.webhooks.payloads import (
    WEBHOOK_ERRORS,
    WebhookDelivery,
    WebhookResponse,
    build_delivery,
    inbound_fields,
    retry_delivery,
    status_fields,
)

# Statuses that cause a callback; the status a message is created with does not.
# Source: https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
CALLBACK_STATUSES = frozenset({"queued", "canceled", "sent", "failed", "delivered", "undelivered"})
# The events of an inbound message: the post to its URL, and the post to the fallback URL after a failure.
INBOUND_EVENTS = ("received", "fallback")
RETRY_PAUSE = timedelta(seconds=1)  # Twilio publishes no spacing; five of these fit into its 15 seconds


class WebhookOutbox:
    """Collects due webhooks until ``take_due`` hands them to a client, which reports back through ``on_result``.

    ``faults`` may be changed at any time. ``try_counts`` counts finished tries by the kind of response.
    """

    def __init__(self, settings: SimulationSettings, store: MessageStore, scheduler: Scheduler) -> None:
        self._settings = settings
        self._store = store
        self._scheduler = scheduler
        self._due: list[WebhookDelivery] = []
        # Callbacks that wait for the next callback of their message, by SID.
        self._postponed: dict[str, WebhookDelivery] = {}
        self.faults = settings.callback_faults
        self.try_counts: Counter[str] = Counter()

    def take_due(self) -> list[WebhookDelivery]:
        """The webhooks that became due since the last call."""
        due, self._due = self._due, []
        return due

    def enqueue_status(self, message: Message, status: str, code: int | None, now: datetime) -> None:
        """Enqueue a status callback, if the message has a callback URL; callback faults apply."""
        account = self._account(message)
        url = callback_url(message, account)
        if url is None or account.test_credentials:
            return
        fields = status_fields(message, status, code, now)
        self._enqueue(build_delivery(message, status, url, fields, account, now), now, last=message.final)

    def enqueue_inbound(self, message: Message, now: datetime) -> None:
        """Enqueue the webhook of an inbound message, if its number or service has a URL for it."""
        account = self._account(message)
        url = inbound_url(message, account)
        if url is not None:
            new = build_delivery(message, "received", url, inbound_fields(message), account, now)
            self._scheduler.at(now, self._add_due, new)

    def on_result(self, tried: WebhookDelivery, response: WebhookResponse, now: datetime) -> None:
        """Record how a try ended, or schedule the next one where the rules in the URL allow it."""
        self.try_counts[response.kind] += 1
        following = retry_delivery(tried, response, now, RETRY_PAUSE)
        if following is not None:
            self._scheduler.at(now + RETRY_PAUSE, self._add_due, following)
            return
        self._record_result(tried, "delivered" if response.kind == "ok" else "given_up")
        if tried.event == "received" and response.kind != "ok":
            self._enqueue_fallback(tried.sid, WEBHOOK_ERRORS[response.kind], now)

    def _enqueue_fallback(self, sid: str, code: int, now: datetime) -> None:
        """Enqueue the post of an inbound message to the fallback URL, with the error code.

        Source: https://www.twilio.com/docs/usage/security/availability-reliability
        """
        message = self._store.messages.get(sid)
        if message is None:
            return
        account = self._account(message)
        url, failed = fallback_url(message, account), inbound_url(message, account)
        if url is not None and failed is not None:
            fields = inbound_fields(message) | {"ErrorCode": str(code), "ErrorUrl": failed.partition("#")[0]}
            self._scheduler.at(now, self._add_due, build_delivery(message, "fallback", url, fields, account, now))

    def resume(self, message: Message, now: datetime) -> None:
        """After a restart: enqueue every webhook of the message whose result was not recorded."""
        for status, _at in message.history[1:]:
            if status in CALLBACK_STATUSES and status not in message.callback_results:
                self.enqueue_status(message, status, message.code if status == message.status else None, now)
        if message.kind == "inbound" and "received" not in message.callback_results:
            self.enqueue_inbound(message, now)
        elif message.callback_results.get("received") == "given_up" and "fallback" not in message.callback_results:
            self._enqueue_fallback(message.sid, WEBHOOK_ERRORS["5xx"], now)

    def _enqueue(self, new: WebhookDelivery, now: datetime, *, last: bool) -> None:
        disturbance = draw_disturbance(self.faults, self._settings.seed, new.sid, new.event)
        postponed = self._postponed.pop(new.sid, None)
        if disturbance.lost:
            self._record_result(new, "lost")
        elif disturbance.postponed and not last:
            self._postponed[new.sid] = new
            self._scheduler.at(now + self.faults.late_by, self._release_postponed, new)
        else:
            self._schedule(new, now + disturbance.delay, disturbance.again_after)
        if postponed is not None:
            self._scheduler.at(now + disturbance.delay, self._add_due, postponed)

    def _schedule(self, new: WebhookDelivery, when: datetime, again_after: timedelta | None) -> None:
        self._scheduler.at(when, self._add_due, new)
        if again_after is not None:
            self._scheduler.at(when + again_after, self._add_due, new)

    def _release_postponed(self, postponed: WebhookDelivery, when: datetime) -> None:
        """Post a postponed callback that no other callback has released in the meantime."""
        if self._postponed.get(postponed.sid) is postponed:
            del self._postponed[postponed.sid]
            self._add_due(postponed, when)

    def _add_due(self, due: WebhookDelivery, _when: datetime) -> None:
        self._due.append(due)

    def _record_result(self, ended: WebhookDelivery, result: str) -> None:
        message = self._store.messages.get(ended.sid)
        # A repeated callback may fail after the first one was delivered: the delivery counts.
        if message is not None and message.callback_results.get(ended.event) != "delivered":
            self._store.record({"type": "callback", "sid": ended.sid, "event": ended.event, "result": result})

    def _account(self, message: Message) -> Account:
        account = self._settings.account(message.account)
        assert account is not None, f"{message.sid} belongs to {message.account}, which is not configured"
        return account


def callback_url(message: Message, account: Account) -> str | None:
    """The message's own status-callback URL, else its service's."""
    service = account.service(message.service)
    return message.callback or (service.status_callback if service else None)


def inbound_url(message: Message, account: Account) -> str | None:
    """The URL for inbound messages of the message's service, else of the account."""
    service = account.service(message.service)
    return (service.inbound_url if service else None) or account.inbound_url


def fallback_url(message: Message, account: Account) -> str | None:
    """The URL for inbound messages that ``inbound_url`` did not accept: the service's, else the account's."""
    service = account.service(message.service)
    return (service.fallback_url if service else None) or account.fallback_url
