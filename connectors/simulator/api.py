"""Twilio's HTTP API as the SDK speaks it: credentials, forms, wire errors, and the faults that were asked for."""

import socket
import struct
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web

from connectors.simulator.chance import hex32
from connectors.simulator.clock import Clock
from connectors.simulator.drafts import Form
from connectors.simulator.engine import Engine
from connectors.simulator.faults import Fault, Faults
from connectors.simulator.listing import Query, page
from connectors.simulator.messages import API_VERSION, Message, resource
from connectors.simulator.refusals import Refusal
from connectors.simulator.settings import Account, SimulatorSettings
from connectors.simulator.world import World

MESSAGES = f"/{API_VERSION}/Accounts/{{account}}/Messages.json"
MESSAGE = f"/{API_VERSION}/Accounts/{{account}}/Messages/{{sid}}.json"
_RESET = struct.pack("ii", 1, 0)

Act = Callable[[Account, Form], web.Response]


class Api:
    """Handlers of the Message resource. Source: https://www.twilio.com/docs/messaging/api/message-resource"""

    def __init__(self, world: World, faults: Faults, clock: Clock, engine: Engine) -> None:
        self._world = world
        self._faults = faults
        self._clock = clock
        self._engine = engine
        self._keys = _credentials(world.settings)
        self._running: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(MESSAGES, self.create),
            web.get(MESSAGES, self.list),
            web.get(MESSAGE, self.fetch),
            web.post(MESSAGE, self.update),
            web.delete(MESSAGE, self.delete),
        ]

    async def create(self, request: web.Request) -> web.Response:
        def act(account: Account, form: Form) -> web.Response:
            return self._shown(self._world.create(account, form, self._clock.now()), 201)

        return await self._serve(request, "create", act)

    async def list(self, request: web.Request) -> web.Response:
        def act(account: Account, _form: Form) -> web.Response:
            query = Query.read(request.query)
            if isinstance(query, Refusal):
                return self._refused(query)
            delay, now = self._world.settings.list_delay, self._clock.now()
            return self._json(200, page(self._world.store, account, query, request.query, now, delay))

        return await self._serve(request, "list", act)

    async def fetch(self, request: web.Request) -> web.Response:
        return await self._serve(request, "fetch", lambda account, _form: self._shown(self._find(account, request)))

    async def update(self, request: web.Request) -> web.Response:
        """`Status=canceled` cancels, an empty `Body` redacts."""

        def act(account: Account, form: Form) -> web.Response:
            return self._shown(self._change(self._find(account, request), form))

        return await self._serve(request, "update", act)

    async def delete(self, request: web.Request) -> web.Response:
        def act(account: Account, _form: Form) -> web.Response:
            found = self._find(account, request)
            if isinstance(found, Refusal):
                return self._refused(found)
            self._world.delete(found)
            return web.Response(status=204)

        return await self._serve(request, "update", act)

    def _find(self, account: Account, request: web.Request) -> Message | Refusal:
        return self._world.find(account, request.match_info["sid"])

    def _change(self, found: Message | Refusal, form: Form) -> Message | Refusal:
        if isinstance(found, Refusal):
            return found
        now = self._clock.now()
        if form.get("Status") == ["canceled"]:
            return self._world.cancel(found, now)
        return self._world.redact(found, now) if form.get("Body") == [""] else Refusal(20001)

    # --- one request ----------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request, operation: str, act: Act) -> web.Response:
        account = self._authenticate(request)
        if account is None:
            return self._refused(Refusal(20003))
        if self._running[account.sid] >= account.max_concurrency:
            return self._refused(Refusal(20429))
        self._running[account.sid] += 1
        try:
            return await self._answer(request, account, self._faults.take(operation), act)
        finally:
            self._running[account.sid] -= 1

    def _authenticate(self, request: web.Request) -> Account | None:
        account = self._keys.get(request.headers.get("Authorization", ""))
        return account if account and account.sid == request.match_info["account"] else None

    async def _answer(self, request: web.Request, account: Account, fault: Fault | None, act: Act) -> web.Response:
        if fault is not None and fault.name == "reset_before":
            return _cut(request, reset=True)
        form = await _form(request)
        if self._world.settings.api_latency:
            await self._clock.sleep(self._world.settings.api_latency)
        if fault is not None:
            return await self._misbehave(request, fault, lambda: self._do(act, account, form))
        return self._do(act, account, form)

    def _do(self, act: Act, account: Account, form: Form) -> web.Response:
        response = act(account, form)
        self._engine.stir()
        return response

    async def _misbehave(self, request: web.Request, fault: Fault, do: Callable[[], web.Response]) -> web.Response:
        match fault.name:
            case "429":
                return self._refused(Refusal(20429))
            case "500_without_effect":
                return self._refused(Refusal(20500))
            case "slow":
                await self._clock.sleep(fault.after)
                return do()
            case "hang":
                return await self._hang(request, fault, do)
        response = do()
        match fault.name:
            case "accept_then_500":
                return self._refused(Refusal(20500))
            case "accept_then_503":
                return self._refused(Refusal(20503))
            case "garbage_201":
                return web.Response(status=201, body=b'{"sid": "SM', content_type="application/json")
            case "accept_then_drop":
                return _cut(request, reset=False)
        return response

    async def _hang(self, request: web.Request, fault: Fault, do: Callable[[], web.Response]) -> web.Response:
        if fault.accepted:
            do()
        await self._clock.sleep(fault.after)
        return _cut(request, reset=False)

    # --- answers --------------------------------------------------------------------------------------------------

    def _shown(self, result: Message | Refusal, status: int = 200) -> web.Response:
        return self._refused(result) if isinstance(result, Refusal) else self._json(status, resource(result))

    def _refused(self, refusal: Refusal) -> web.Response:
        response = self._json(refusal.status, refusal.body(), str(refusal.code))
        if refusal.code == 20003:
            response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        if refusal.code == 20429 and self._world.settings.retry_after_s is not None:
            response.headers["Retry-After"] = str(self._world.settings.retry_after_s)
        return response

    def _json(self, status: int, content: dict[str, Any], counted: str | None = None) -> web.Response:
        self.answered[counted or str(status)] += 1
        headers = {
            "Twilio-Request-Id": "RQ" + hex32(self._world.settings.seed, "request", self.answered.total()),
            "Twilio-Concurrent-Requests": str(self._running.total()),
        }
        body = orjson.dumps(content)
        return web.Response(status=status, body=body, headers=headers, content_type="application/json")


def _credentials(settings: SimulatorSettings) -> dict[str, Account]:
    """Every Authorization header that opens an account: its SID with its token, or an API key with its secret."""
    return {
        "Basic " + b64encode(f"{user}:{secret}".encode()).decode(): account
        for account in settings.accounts
        for user, secret in [(account.sid, account.auth_token), *account.api_keys.items()]
    }


async def _form(request: web.Request) -> Form:
    """The fields of a form; none if the request carries something else, as Twilio sees it (error 21604)."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return parse_qs((await request.read()).decode("utf-8", "replace"), keep_blank_values=True)


def _cut(request: web.Request, *, reset: bool) -> web.Response:
    """End the connection without an answer: by an orderly close, or by a TCP reset."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort() if reset else transport.close()
    return web.Response(status=500)
