"""The simulated Twilio: a state machine over messages, without I/O and without a clock.

Requests and the current time are arguments. ``run_due`` does what is due and returns the webhooks to post. Whatever
must survive the process goes through the store's journal; ``resume`` continues what a restart interrupted.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from connectors.simulator.behaviour.create_request import CreateRequest, Form, read_create_request
from connectors.simulator.behaviour.lifecycle import MessageLifecycle
from connectors.simulator.behaviour.loop_guard import MAX_REPLIES, ReplyLoopGuard
from connectors.simulator.behaviour.opt_outs import KEYWORD_REPLIES, KeywordMatch, block_scope, match_keyword
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.messages import Message
from connectors.simulator.model.scheduler import Scheduler
from connectors.simulator.model.settings import Account, SimulationSettings
from connectors.simulator.model.store import JournalEntry, MessageStore
from connectors.simulator.webhooks.outbox import INBOUND_EVENTS, WebhookOutbox
from connectors.simulator.webhooks.payloads import WebhookDelivery, WebhookResponse


class SimulatedTwilio:
    """Accounts, senders and messages, and everything that happens to them.

    ``store`` has the messages, ``lifecycle`` moves them, ``outbox`` has the webhooks, ``scheduler`` what is due later.
    """

    def __init__(
        self, settings: SimulationSettings, journal: Callable[[JournalEntry], None] = lambda _entry: None
    ) -> None:
        """``journal`` stores an entry durably before it takes effect."""
        self.settings = settings
        self.store = MessageStore(journal)
        self.scheduler = Scheduler()
        self._start_empty()

    def _start_empty(self) -> None:
        self.outbox = WebhookOutbox(self.settings, self.store, self.scheduler)
        self.lifecycle = MessageLifecycle(self.settings, self.store, self.scheduler, self.outbox)
        self._reply_loops = ReplyLoopGuard()

    # --- what clients request -------------------------------------------------------------------------------------

    def create(self, account: Account, form: Form, now: datetime) -> Message | ApiError:
        """Create a message, or return why Twilio refuses it."""
        request = read_create_request(form, account, self.settings, now)
        if isinstance(request, ApiError):
            return request
        refusal = self._refusal(account, request, now)
        if refusal is not None:
            return refusal
        message = self.lifecycle.create(account, "api", _first_status(request), now, **_message_fields(request))
        self.lifecycle.proceed(message, now)
        return message

    def _refusal(self, account: Account, request: CreateRequest, now: datetime) -> ApiError | None:
        """The error for a blocked pair or a full queue; with a Messaging Service both fail the message later."""
        if request.service or request.sender is None:
            return None
        if self.lifecycle.is_blocked(account, request.sender, request.to):
            return ApiError(21610, request.to)
        full = self.lifecycle.routes.is_full(account, request.sender, request.to, now)
        return ApiError(21611, request.sender) if full else None

    def find(self, account: Account, sid: str) -> Message | ApiError:
        """The account's message with this SID, or error 20404."""
        message = self.store.messages.get(sid)
        if message is None or message.account != account.sid or message.deleted:
            return ApiError(20404)
        return message

    def cancel(self, message: Message, now: datetime) -> Message | ApiError:
        """Cancel a scheduled message; error 30409 once it is no longer scheduled.

        Source: https://www.twilio.com/docs/api/errors/30409
        """
        if message.status != "scheduled":
            return ApiError(30409)
        self.lifecycle.change_status(message, "canceled", now)
        return message

    def redact(self, message: Message, now: datetime) -> Message:
        """Empty the text that the API shows; the ledger still has it."""
        self.store.record({"type": "redacted", "sid": message.sid, "at": now})
        return message

    def delete(self, message: Message) -> None:
        """Remove the message from the API; the ledger still has it."""
        self.store.record({"type": "deleted", "sid": message.sid})

    # --- what people do -------------------------------------------------------------------------------------------

    def receive(self, sender: str, to: str, body: str, now: datetime) -> Message:
        """Accept a text from a person to one of the numbers.

        Raises:
            LookupError: No account owns the number ``to``.
        """
        account = self.settings.owner(to)
        if account is None:
            raise LookupError(f"{to} belongs to no account")
        service, match = account.service_of(to), match_keyword(to, body)
        opt_out_type = match.keyword if service and service.advanced_opt_out else None
        fields = {"sender": sender, "to": to, "text": body, "service": service.sid if service else None}
        message = self.lifecycle.create(account, "inbound", "received", now, opt_out_type=opt_out_type, **fields)
        self.lifecycle.schedule_price(message, now)
        self._apply_keyword(account, match, message, now)
        self.outbox.enqueue_inbound(message, now)
        return message

    def _apply_keyword(self, account: Account, match: KeywordMatch, inbound: Message, now: datetime) -> None:
        if match.effect:
            scope = block_scope(account, inbound.to)
            self.store.record({"type": match.effect, "scope": scope, "person": inbound.sender})
        if match.keyword and (self.settings.confirmations or inbound.opt_out_type):
            self._reply(inbound, "confirmation", KEYWORD_REPLIES[match.keyword], now)

    def _reply(self, inbound: Message, kind: str, text: str, now: datetime) -> None:
        account = self.settings.account(inbound.account)
        assert account is not None
        assert inbound.sender is not None
        fields = {"sender": inbound.to, "to": inbound.sender, "text": text, "service": inbound.service}
        message = self.lifecycle.create(account, kind, "queued", now, **fields)
        code = self._reply_refusal(account, inbound.to, inbound.sender, now) if kind == "reply" else None
        if code is not None:
            self.lifecycle.change_status(message, "failed", now, code)
        else:
            self.lifecycle.proceed(message, now)

    def _reply_refusal(self, account: Account, number: str, person: str, now: datetime) -> int | None:
        if self.lifecycle.is_blocked(account, number, person):
            return 21610
        return None if self._reply_loops.allows(number, person, now) else 14107

    # --- what time brings -----------------------------------------------------------------------------------------

    def next_due(self) -> datetime | None:
        """When something happens next without a further request; None: nothing will."""
        return self.scheduler.next_due()

    def run_due(self, now: datetime) -> list[WebhookDelivery]:
        """Do everything due by ``now``.

        Returns:
            The webhooks that are to be posted.
        """
        self.scheduler.run_due(now)
        return self.outbox.take_due()

    def on_webhook_result(
        self, tried: WebhookDelivery, response: WebhookResponse, texts: list[str], now: datetime
    ) -> None:
        """Record how the try of a webhook ended, and send ``texts``, the messages in its TwiML response."""
        self.outbox.on_result(tried, response, now)
        inbound = self.store.messages.get(tried.sid)
        if inbound is None or tried.event not in INBOUND_EVENTS:
            return
        for text in texts[:MAX_REPLIES]:
            self._reply(inbound, "reply", text, now)

    def resume(self, now: datetime) -> None:
        """Continue every message where the journal left it."""
        for message in list(self.store.order):
            self.outbox.resume(message, now)
            if message.price is None and message.final:
                self.lifecycle.schedule_price(message, now)
            elif not message.final:
                self.lifecycle.proceed(message, now)

    def reset(self) -> None:
        """Forget all messages, blocked pairs and changed conditions."""
        self.store.record({"type": "reset"})
        self.scheduler.clear()
        self._start_empty()


def _first_status(request: CreateRequest) -> str:
    if request.send_at:
        return "scheduled"
    return "accepted" if request.service else "queued"


def _message_fields(request: CreateRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in CreateRequest.__dataclass_fields__}
