"""The simulator's own API under /sim: people's texts, faults on demand, the ledger."""

from datetime import date, datetime, timedelta
from typing import Any

import orjson
from aiohttp import web

from connectors.simulator.clock import SimulatorClock
from connectors.simulator.http.api import Api
from connectors.simulator.http.engine import Engine
from connectors.simulator.http.invoice import invoice
from connectors.simulator.http.json_bodies import Handler, json_response, read_json
from connectors.simulator.http.ledger import ledger_rows, ledger_summary
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.faults import Fault, Faults
from connectors.simulator.model.settings import CallbackFaults
from connectors.simulator.model.twilio import SimulatedTwilio


class ControlApi:
    """Handlers for whoever runs a test or a demo."""

    def __init__(self, world: SimulatedTwilio, faults: Faults, clock: SimulatorClock, engine: Engine, api: Api) -> None:
        self._world = world
        self._faults = faults
        self._clock = clock
        self._engine = engine
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sim/health", self.health),
            web.get("/sim/ledger", self.ledger),
            web.get("/sim/summary", self.summary),
            web.get("/sim/invoice", self.invoice),
            web.post("/sim/inbound", self.inbound),
            web.post("/sim/outcomes", self.outcomes),
            web.get("/sim/faults", self.faults),
            web.post("/sim/faults", self.arm),
            web.delete("/sim/faults", self.clear),
            web.post("/sim/callback-faults", self.callback_faults),
            web.post("/sim/reset", self.reset),
        ]

    async def health(self, _request: web.Request) -> web.Response:
        """200 while webhooks are being posted; 500 with the reason once a bug has stopped that."""
        failure = self._engine.courier.failure
        return json_response(
            {"ok": failure is None, "failure": repr(failure) if failure else None}, 500 if failure else 200
        )

    async def ledger(self, request: web.Request) -> web.Response:
        """JSON lines in order of acceptance; `after`, `limit`, `to` choose."""
        limit = request.query.get("limit")
        picked = ledger_rows(
            self._world,
            after=int(request.query.get("after", 0)),
            limit=int(limit) if limit else None,
            to=request.query.get("to"),
        )
        lines = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in picked)
        return web.Response(body=lines, content_type="application/x-ndjson")

    async def summary(self, _request: web.Request) -> web.Response:
        """Counts and sums of the ledger, and what the API answered: by code, or by status where all was well."""
        met = {"api_answers": dict(self._api.answered), "faults_met": dict(self._faults.met)}
        return json_response(ledger_summary(self._world) | met)

    async def invoice(self, request: web.Request) -> web.Response:
        """What the messages cost in the end; `account`, `since` and `until` (GMT days) choose."""
        days = {name: date.fromisoformat(request.query[name]) for name in ("since", "until") if name in request.query}
        return json_response(invoice(self._world, account=request.query.get("account"), **days))

    async def inbound(self, request: web.Request) -> web.Response:
        """`{"from", "to", "body"}`: a person texts one of the numbers."""
        said = await read_json(request)
        message = self._world.receive(said["from"], said["to"], said["body"], self._clock.now())
        self._engine.stir()
        return json_response({"sid": message.sid}, 201)

    async def outcomes(self, request: web.Request) -> web.Response:
        """`{"to", "status", "code", "times"}`: how the next messages to a person end."""
        wish = await read_json(request)
        self._world.life.script(wish["to"], wish["status"], wish.get("code"), int(wish.get("times", 1)))
        return json_response({"ok": True}, 201)

    async def faults(self, _request: web.Request) -> web.Response:
        return json_response({"armed": [_shown(fault) for fault in self._faults.armed], "met": dict(self._faults.met)})

    async def arm(self, request: web.Request) -> web.Response:
        """`{"fault", "operation", "times", "probability", "seconds", "accepted", "for_seconds"}`.

        `for_seconds`: how long it is in force. Without that and times: until cleared.
        """
        self._faults.arm(_fault(await read_json(request), self._clock.now()))
        return json_response({"ok": True}, 201)

    async def clear(self, _request: web.Request) -> web.Response:
        self._faults.clear()
        return json_response({"ok": True})

    async def callback_faults(self, request: web.Request) -> web.Response:
        """`{"late", "lost", "duplicated", "reordered", "late_by_seconds"}`: probabilities from now on."""
        wish = await read_json(request)
        late_by = timedelta(seconds=wish.pop("late_by_seconds", 2))
        self._world.mail.faults = CallbackFaults(late_by=late_by, **wish)
        return json_response({"ok": True}, 201)

    async def reset(self, _request: web.Request) -> web.Response:
        """Forget messages, blocked pairs, faults and changed conditions; the clock stays."""
        self._world.reset()
        self._faults.clear()
        return json_response({"ok": True})


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the control API cannot do is the caller's mistake, and it says which; a strange path is Twilio's 20404."""
    if not request.path.startswith("/sim/"):
        return await _twilios(request, handler)
    try:
        return await handler(request)
    except (KeyError, LookupError, TypeError, ValueError) as error:
        return json_response({"error": f"{type(error).__name__}: {error}"}, 400)


async def _twilios(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return json_response(ApiError(20404).body(), 404)
    except web.HTTPMethodNotAllowed:
        return json_response(ApiError(20004).body(), 405)


def _fault(wish: dict[str, Any], now: datetime) -> Fault:
    lasting = wish.get("for_seconds")
    return Fault(
        name=wish["fault"],
        operation=wish.get("operation", "create"),
        times=wish.get("times"),
        probability=float(wish.get("probability", 1)),
        after=timedelta(seconds=wish.get("seconds", 30)),
        accepted=bool(wish.get("accepted", True)),
        until=None if lasting is None else now + timedelta(seconds=lasting),
    )


def _shown(fault: Fault) -> dict[str, Any]:
    return {
        "fault": fault.name,
        "operation": fault.operation,
        "times": fault.times,
        "probability": fault.probability,
        "seconds": fault.after.total_seconds(),
        "accepted": fault.accepted,
        "until": fault.until.isoformat() if fault.until else None,
    }
