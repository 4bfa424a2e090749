"""Twilio's Messages API as the SDK uses it: credentials, forms, errors, and the armed faults."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

from aiohttp import web

from connectors.simulator.behaviour.create_request import Form
from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.clock import SimulatedClock
from connectors.simulator.engine import Engine
from connectors.simulator.http.fault_responses import FaultResponder, close_connection
from connectors.simulator.http.message_list import ListQuery, list_page
from connectors.simulator.http.responses import ApiResponses
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.faults import Fault, Faults
from connectors.simulator.model.messages import API_VERSION, Message
from connectors.simulator.model.settings import Account

MESSAGES = f"/{API_VERSION}/Accounts/{{account}}/Messages.json"
MESSAGE = f"/{API_VERSION}/Accounts/{{account}}/Messages/{{sid}}.json"

Effect = Callable[[Account, Form], web.Response]
"""Makes a request of an account with a form take effect, and returns its response."""


class MessagesApi:
    """Handlers of the Message resource. ``response_counts``: see ``ApiResponses.counts``.

    Source: https://www.twilio.com/docs/messaging/api/message-resource
    """

    def __init__(self, twilio: SimulatedTwilio, faults: Faults, clock: SimulatedClock, engine: Engine) -> None:
        self._twilio = twilio
        self._faults = faults
        self._clock = clock
        self._engine = engine
        self._accounts = _accounts_by_header(twilio.settings.accounts)
        self._open_requests: Counter[str] = Counter()
        self._responses = ApiResponses(twilio.settings, self._open_requests)
        self._fault_responder = FaultResponder(self._responses, clock)
        self.response_counts = self._responses.counts

    def routes(self) -> list[web.RouteDef]:
        """The routes of all handlers."""
        return [
            web.post(MESSAGES, self.create),
            web.get(MESSAGES, self.list),
            web.get(MESSAGE, self.fetch),
            web.post(MESSAGE, self.update),
            web.delete(MESSAGE, self.delete),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Create a message."""

        def effect(account: Account, form: Form) -> web.Response:
            return self._responses.message(self._twilio.create(account, form, self._clock.now()), 201)

        return await self._serve(request, "create", effect)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """One page of the message list."""

        def effect(account: Account, _form: Form) -> web.Response:
            query = ListQuery.read(request.query)
            if isinstance(query, ApiError):
                return self._responses.error(query)
            delay, now = self._twilio.settings.list_delay, self._clock.now()
            return self._responses.json(200, list_page(self._twilio.store, account, query, request.query, now, delay))

        return await self._serve(request, "list", effect)

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """One message."""

        def effect(account: Account, _form: Form) -> web.Response:
            return self._responses.message(self._find(account, request))

        return await self._serve(request, "fetch", effect)

    async def update(self, request: web.Request) -> web.StreamResponse:
        """Cancel a scheduled message (``Status=canceled``) or redact a message (an empty ``Body``)."""

        def effect(account: Account, form: Form) -> web.Response:
            return self._responses.message(self._change(self._find(account, request), form))

        return await self._serve(request, "update", effect)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Delete a message."""

        def effect(account: Account, _form: Form) -> web.Response:
            found = self._find(account, request)
            if isinstance(found, ApiError):
                return self._responses.error(found)
            self._twilio.delete(found)
            return web.Response(status=204)

        return await self._serve(request, "update", effect)

    def _find(self, account: Account, request: web.Request) -> Message | ApiError:
        return self._twilio.find(account, request.match_info["sid"])

    def _change(self, found: Message | ApiError, form: Form) -> Message | ApiError:
        if isinstance(found, ApiError):
            return found
        now = self._clock.now()
        if form.get("Status") == ["canceled"]:
            return self._twilio.cancel(found, now)
        return self._twilio.redact(found, now) if form.get("Body") == [""] else ApiError(20001)

    # --- one request ----------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request, operation: str, effect: Effect) -> web.StreamResponse:
        account = self._authenticate(request)
        if account is None:
            return self._responses.error(ApiError(20003))
        if self._open_requests[account.sid] >= account.max_concurrency:
            return self._responses.error(ApiError(20429))
        self._open_requests[account.sid] += 1
        try:
            return await self._respond(request, account, self._faults.take(operation, self._clock.now()), effect)
        finally:
            self._open_requests[account.sid] -= 1

    def _authenticate(self, request: web.Request) -> Account | None:
        account = self._accounts.get(request.headers.get("Authorization", ""))
        return account if account and account.sid == request.match_info["account"] else None

    async def _respond(
        self, request: web.Request, account: Account, fault: Fault | None, effect: Effect
    ) -> web.StreamResponse:
        # This fault comes first: it resets the connection before the body is read.
        if fault is not None and fault.name == "reset_before":
            return close_connection(request, reset=True)
        form = await _read_form(request)
        if self._twilio.settings.api_latency:
            await self._clock.sleep(self._twilio.settings.api_latency)
        if fault is None:
            return self._apply(effect, account, form)
        return await self._fault_responder.respond(request, fault, lambda: self._apply(effect, account, form))

    def _apply(self, effect: Effect, account: Account, form: Form) -> web.Response:
        response = effect(account, form)
        self._engine.run_due()
        return response


def _accounts_by_header(accounts: Iterable[Account]) -> dict[str, Account]:
    """The account of every valid Authorization header: account SID and auth token, or API key and secret."""
    return {
        "Basic " + b64encode(f"{user}:{secret}".encode()).decode(): account
        for account in accounts
        for user, secret in [(account.sid, account.auth_token), *account.api_keys.items()]
    }


async def _read_form(request: web.Request) -> Form:
    """The fields of a form. A body of another type has no fields: Twilio then answers error 21604."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return parse_qs((await request.read()).decode("utf-8", "replace"), keep_blank_values=True)
