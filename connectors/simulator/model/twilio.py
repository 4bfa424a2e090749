"""The simulated Twilio itself: a state machine over messages. Time and requests come in as arguments; no I/O, no clock.

What is due is done by `advance`, which returns the webhooks to post. Everything that must outlast the process is a fact
in the store; `resume` takes up what a restart interrupted.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.create_request import CreateRequest, Form, read_create_request
from connectors.simulator.model.lifecycle import MessageLifecycle
from connectors.simulator.model.loop_guard import MAX_REPLIES, ReplyLoopGuard
from connectors.simulator.model.messages import Message
from connectors.simulator.model.optouts import ANSWERS, KeywordMatch, match_keyword, scope
from connectors.simulator.model.scheduler import Scheduler
from connectors.simulator.model.settings import Account, SimulationSettings
from connectors.simulator.model.store import Fact, MessageStore
from connectors.simulator.webhooks.outbox import INBOUND, WebhookOutbox
from connectors.simulator.webhooks.payloads import WebhookDelivery, WebhookResponse


class SimulatedTwilio:
    """Accounts, senders, messages and blocked pairs, and what happens to them."""

    def __init__(self, settings: SimulationSettings, record: Callable[[Fact], None] = lambda _fact: None) -> None:
        self.settings = settings
        self.store = MessageStore(record)
        self.agenda = Scheduler()
        self.mail = WebhookOutbox(settings, self.store, self.agenda)
        self.life = MessageLifecycle(settings, self.store, self.agenda, self.mail)
        self._loops = ReplyLoopGuard()

    # --- what clients ask for -------------------------------------------------------------------------------------

    def create(self, account: Account, form: Form, now: datetime) -> Message | ApiError:
        """Accept a message or refuse it."""
        draft = read_create_request(form, account, self.settings, now)
        if isinstance(draft, ApiError):
            return draft
        objection = self._object(account, draft, now)
        if objection is not None:
            return objection
        message = self.life.born(account, "api", _first_status(draft), now, **_given(draft))
        self.life.begin(message, now)
        return message

    def _object(self, account: Account, draft: CreateRequest, now: datetime) -> ApiError | None:
        if draft.service or draft.sender is None:
            return None
        if self.life.blocked(account, draft.sender, draft.to):
            return ApiError(21610, draft.to)
        full = self.life.routes.full(account, draft.sender, draft.to, now)
        return ApiError(21611, draft.sender) if full else None

    def find(self, account: Account, sid: str) -> Message | ApiError:
        """A message of this account by its SID."""
        message = self.store.messages.get(sid)
        mine = message is not None and message.account == account.sid and not message.deleted
        return message if message is not None and mine else ApiError(20404)

    def cancel(self, message: Message, now: datetime) -> Message | ApiError:
        """Cancel a scheduled message (https://www.twilio.com/docs/api/errors/30409 once it is too late)."""
        if message.status != "scheduled":
            return ApiError(30409)
        self.life.move(message, "canceled", now)
        return message

    def redact(self, message: Message, now: datetime) -> Message:
        """Forget the text, as far as the API shows it."""
        self.store.say({"fact": "redacted", "sid": message.sid, "at": now})
        return message

    def delete(self, message: Message) -> None:
        """Hide the message from the API; the ledger keeps it."""
        self.store.say({"fact": "deleted", "sid": message.sid})

    # --- what people do -------------------------------------------------------------------------------------------

    def receive(self, sender: str, to: str, body: str, now: datetime) -> Message:
        """A person texts one of the numbers. Raises LookupError if no account owns the number."""
        account = self.settings.owner(to)
        if account is None:
            raise LookupError(f"{to} belongs to no account")
        service, said = account.service_of(to), match_keyword(to, body)
        advanced = said.word if service and service.advanced_opt_out else None
        given = {"sender": sender, "to": to, "text": body, "service": service.sid if service else None}
        message = self.life.born(account, "inbound", "received", now, opt_out_type=advanced, **given)
        self.life.bill_later(message, now)
        self._heed(account, said, message, now)
        self.mail.tell_inbound(message, now)
        return message

    def _heed(self, account: Account, said: KeywordMatch, asked: Message, now: datetime) -> None:
        if said.fact:
            self.store.say({"fact": said.fact, "scope": scope(account, asked.to), "person": asked.sender})
        if said.word and (self.settings.confirmations or asked.opt_out_type):
            self._answer(asked, "confirmation", ANSWERS[said.word], now)

    def _answer(self, asked: Message, kind: str, text: str, now: datetime) -> None:
        account = self.settings.account(asked.account)
        assert account is not None
        assert asked.sender is not None
        given = {"sender": asked.to, "to": asked.sender, "text": text, "service": asked.service}
        message = self.life.born(account, kind, "queued", now, **given)
        code = self._object_to_reply(account, asked.to, asked.sender, now) if kind == "reply" else None
        if code is not None:
            self.life.move(message, "failed", now, code)
        else:
            self.life.begin(message, now)

    def _object_to_reply(self, account: Account, number: str, person: str, now: datetime) -> int | None:
        if self.life.blocked(account, number, person):
            return 21610
        return None if self._loops.lets(number, person, now) else 14107

    # --- what time brings -----------------------------------------------------------------------------------------

    def next_due(self) -> datetime | None:
        """When something happens next, if nobody does anything before."""
        return self.agenda.next_due()

    def advance(self, now: datetime) -> list[WebhookDelivery]:
        """Let everything due by `now` happen; the webhooks that are to be posted."""
        self.agenda.run(now)
        out, self.mail.out = self.mail.out, []
        return out

    def posted(self, tried: WebhookDelivery, reply: WebhookResponse, texts: list[str], now: datetime) -> None:
        """A webhook was answered (or not); `texts` are the messages in its TwiML."""
        self.mail.ended(tried, reply, now)
        asked = self.store.messages.get(tried.sid)
        if asked is None or tried.topic not in INBOUND:
            return
        for text in texts[:MAX_REPLIES]:
            self._answer(asked, "reply", text, now)

    def resume(self, now: datetime) -> None:
        """Take up every message where the journal left it."""
        for message in list(self.store.order):
            self.mail.resume(message, now)
            if message.price is None and message.final:
                self.life.bill_later(message, now)
            elif not message.final:
                self.life.begin(message, now)

    def reset(self) -> None:
        """Forget all messages and blocked pairs."""
        self.store.say({"fact": "reset"})
        self.agenda.clear()
        self.mail = WebhookOutbox(self.settings, self.store, self.agenda)
        self.life = MessageLifecycle(self.settings, self.store, self.agenda, self.mail)
        self._loops = ReplyLoopGuard()


def _first_status(draft: CreateRequest) -> str:
    if draft.send_at:
        return "scheduled"
    return "accepted" if draft.service else "queued"


def _given(draft: CreateRequest) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in CreateRequest.__dataclass_fields__}
