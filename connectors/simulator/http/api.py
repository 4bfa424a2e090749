"""Twilio's HTTP API as the SDK speaks it: credentials, forms, wire errors, and the faults that were asked for."""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

from aiohttp import web

from connectors.simulator.clock import SimulatorClock
from connectors.simulator.http.engine import Engine
from connectors.simulator.http.fault_responses import FaultResponder, cut
from connectors.simulator.http.message_list import Query, page
from connectors.simulator.http.responses import ApiResponses
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.create_request import Form
from connectors.simulator.model.faults import Fault, Faults
from connectors.simulator.model.messages import API_VERSION, Message
from connectors.simulator.model.settings import Account
from connectors.simulator.model.twilio import SimulatedTwilio

MESSAGES = f"/{API_VERSION}/Accounts/{{account}}/Messages.json"
MESSAGE = f"/{API_VERSION}/Accounts/{{account}}/Messages/{{sid}}.json"

Act = Callable[[Account, Form], web.Response]


class Api:
    """Handlers of the Message resource. Source: https://www.twilio.com/docs/messaging/api/message-resource"""

    def __init__(self, world: SimulatedTwilio, faults: Faults, clock: SimulatorClock, engine: Engine) -> None:
        self._world = world
        self._faults = faults
        self._clock = clock
        self._engine = engine
        self._keys = _credentials(world.settings.accounts)
        self._running: Counter[str] = Counter()
        self._answers = ApiResponses(world.settings, self._running)
        self._faulty = FaultResponder(self._answers, clock)
        self.answered = self._answers.answered

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(MESSAGES, self.create),
            web.get(MESSAGES, self.list),
            web.get(MESSAGE, self.fetch),
            web.post(MESSAGE, self.update),
            web.delete(MESSAGE, self.delete),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        def act(account: Account, form: Form) -> web.Response:
            return self._answers.shown(self._world.create(account, form, self._clock.now()), 201)

        return await self._serve(request, "create", act)

    async def list(self, request: web.Request) -> web.StreamResponse:
        def act(account: Account, _form: Form) -> web.Response:
            query = Query.read(request.query)
            if isinstance(query, ApiError):
                return self._answers.refused(query)
            delay, now = self._world.settings.list_delay, self._clock.now()
            return self._answers.json(200, page(self._world.store, account, query, request.query, now, delay))

        return await self._serve(request, "list", act)

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(
            request, "fetch", lambda account, _form: self._answers.shown(self._find(account, request))
        )

    async def update(self, request: web.Request) -> web.StreamResponse:
        """`Status=canceled` cancels, an empty `Body` redacts."""

        def act(account: Account, form: Form) -> web.Response:
            return self._answers.shown(self._change(self._find(account, request), form))

        return await self._serve(request, "update", act)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        def act(account: Account, _form: Form) -> web.Response:
            found = self._find(account, request)
            if isinstance(found, ApiError):
                return self._answers.refused(found)
            self._world.delete(found)
            return web.Response(status=204)

        return await self._serve(request, "update", act)

    def _find(self, account: Account, request: web.Request) -> Message | ApiError:
        return self._world.find(account, request.match_info["sid"])

    def _change(self, found: Message | ApiError, form: Form) -> Message | ApiError:
        if isinstance(found, ApiError):
            return found
        now = self._clock.now()
        if form.get("Status") == ["canceled"]:
            return self._world.cancel(found, now)
        return self._world.redact(found, now) if form.get("Body") == [""] else ApiError(20001)

    # --- one request ----------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request, operation: str, act: Act) -> web.StreamResponse:
        account = self._authenticate(request)
        if account is None:
            return self._answers.refused(ApiError(20003))
        if self._running[account.sid] >= account.max_concurrency:
            return self._answers.refused(ApiError(20429))
        self._running[account.sid] += 1
        try:
            return await self._answer(request, account, self._faults.take(operation, self._clock.now()), act)
        finally:
            self._running[account.sid] -= 1

    def _authenticate(self, request: web.Request) -> Account | None:
        account = self._keys.get(request.headers.get("Authorization", ""))
        return account if account and account.sid == request.match_info["account"] else None

    async def _answer(
        self, request: web.Request, account: Account, fault: Fault | None, act: Act
    ) -> web.StreamResponse:
        if fault is not None and fault.name == "reset_before":
            return cut(request, reset=True)
        form = await _form(request)
        if self._world.settings.api_latency:
            await self._clock.sleep(self._world.settings.api_latency)
        if fault is not None:
            return await self._faulty.answer(request, fault, lambda: self._do(act, account, form))
        return self._do(act, account, form)

    def _do(self, act: Act, account: Account, form: Form) -> web.Response:
        response = act(account, form)
        self._engine.stir()
        return response


def _credentials(accounts: Iterable[Account]) -> dict[str, Account]:
    """Every Authorization header that opens an account: its SID with its token, or an API key with its secret."""
    return {
        "Basic " + b64encode(f"{user}:{secret}".encode()).decode(): account
        for account in accounts
        for user, secret in [(account.sid, account.auth_token), *account.api_keys.items()]
    }


async def _form(request: web.Request) -> Form:
    """The fields of a form; none if the request carries something else, as Twilio sees it (error 21604)."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return parse_qs((await request.read()).decode("utf-8", "replace"), keep_blank_values=True)
