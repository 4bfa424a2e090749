"""The simulator's own API under /sim: people's texts, faults on demand, the ledger."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import web

from connectors.simulator.api import Api
from connectors.simulator.clock import Clock
from connectors.simulator.engine import Engine
from connectors.simulator.faults import Fault, Faults
from connectors.simulator.ledger import rows, summary
from connectors.simulator.refusals import Refusal
from connectors.simulator.settings import CallbackFaults
from connectors.simulator.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Handlers for whoever runs a test or a demo."""

    def __init__(self, world: World, faults: Faults, clock: Clock, engine: Engine, api: Api) -> None:
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
        return _json({"ok": failure is None, "failure": repr(failure) if failure else None}, 500 if failure else 200)

    async def ledger(self, request: web.Request) -> web.Response:
        """JSON lines in order of acceptance; `after`, `limit`, `to` choose."""
        limit = request.query.get("limit")
        picked = rows(
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
        return _json(summary(self._world) | met)

    async def inbound(self, request: web.Request) -> web.Response:
        """`{"from", "to", "body"}`: a person texts one of the numbers."""
        said = await _read(request)
        message = self._world.receive(said["from"], said["to"], said["body"], self._clock.now())
        self._engine.stir()
        return _json({"sid": message.sid}, 201)

    async def outcomes(self, request: web.Request) -> web.Response:
        """`{"to", "status", "code", "times"}`: how the next messages to a person end."""
        wish = await _read(request)
        self._world.life.script(wish["to"], wish["status"], wish.get("code"), int(wish.get("times", 1)))
        return _json({"ok": True}, 201)

    async def faults(self, _request: web.Request) -> web.Response:
        return _json({"armed": [_shown(fault) for fault in self._faults.armed], "met": dict(self._faults.met)})

    async def arm(self, request: web.Request) -> web.Response:
        """`{"fault", "operation", "times", "probability", "seconds", "accepted"}`; without times: until cleared."""
        self._faults.arm(_fault(await _read(request)))
        return _json({"ok": True}, 201)

    async def clear(self, _request: web.Request) -> web.Response:
        self._faults.clear()
        return _json({"ok": True})

    async def callback_faults(self, request: web.Request) -> web.Response:
        """`{"late", "lost", "duplicated", "reordered", "late_by_seconds"}`: probabilities from now on."""
        wish = await _read(request)
        late_by = timedelta(seconds=wish.pop("late_by_seconds", 2))
        self._world.mail.faults = CallbackFaults(late_by=late_by, **wish)
        return _json({"ok": True}, 201)

    async def reset(self, _request: web.Request) -> web.Response:
        """Forget messages, blocked pairs and faults."""
        self._world.reset()
        self._faults.clear()
        return _json({"ok": True})


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the control API cannot do is the caller's mistake, and it says which; a strange path is Twilio's 20404."""
    if not request.path.startswith("/sim/"):
        return await _twilios(request, handler)
    try:
        return await handler(request)
    except (KeyError, LookupError, TypeError, ValueError) as error:
        return _json({"error": f"{type(error).__name__}: {error}"}, 400)


async def _twilios(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _json(Refusal(20404).body(), 404)
    except web.HTTPMethodNotAllowed:
        return _json(Refusal(20004).body(), 405)


async def _read(request: web.Request) -> dict[str, Any]:
    read = orjson.loads(await request.read())
    if not isinstance(read, dict):
        raise TypeError("a JSON object is needed")
    return read


def _fault(wish: dict[str, Any]) -> Fault:
    return Fault(
        name=wish["fault"],
        operation=wish.get("operation", "create"),
        times=wish.get("times"),
        probability=float(wish.get("probability", 1)),
        after=timedelta(seconds=wish.get("seconds", 30)),
        accepted=bool(wish.get("accepted", True)),
    )


def _shown(fault: Fault) -> dict[str, Any]:
    return {
        "fault": fault.name,
        "operation": fault.operation,
        "times": fault.times,
        "probability": fault.probability,
        "seconds": fault.after.total_seconds(),
        "accepted": fault.accepted,
    }


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")
