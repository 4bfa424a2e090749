"""The simulator's control API under /sim: inbound texts, faults on request, the ledger."""

from datetime import date, datetime, timedelta
from typing import Any

import orjson
from aiohttp import web

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.clock import SimulatedClock
from connectors.simulator.engine import Engine
from connectors.simulator.http.api import MessagesApi
from connectors.simulator.http.invoice import build_invoice
from connectors.simulator.http.json_bodies import Handler, json_response, read_json
from connectors.simulator.http.ledger import ledger_rows, ledger_summary
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.faults import Fault, Faults
from connectors.simulator.model.settings import CallbackFaults


class ControlApi:
    """Handlers for inbound texts, outcomes, faults, ledger and invoice. docs/simulator.md lists all calls."""

    def __init__(
        self, twilio: SimulatedTwilio, faults: Faults, clock: SimulatedClock, engine: Engine, api: MessagesApi
    ) -> None:
        self._twilio = twilio
        self._faults = faults
        self._clock = clock
        self._engine = engine
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        """The routes of all handlers."""
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
        """Return 200 while webhooks are being posted; 500 with the exception once a bug has stopped that."""
        failure = self._engine.webhook_client.failure
        return json_response(
            {"ok": failure is None, "failure": repr(failure) if failure else None}, 500 if failure else 200
        )

    async def ledger(self, request: web.Request) -> web.Response:
        """The ledger as JSON lines, in order of acceptance; ``after``, ``limit`` and ``to`` select rows."""
        limit = request.query.get("limit")
        rows = ledger_rows(
            self._twilio,
            after=int(request.query.get("after", 0)),
            limit=int(limit) if limit else None,
            to=request.query.get("to"),
        )
        lines = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        return web.Response(body=lines, content_type="application/x-ndjson")

    async def summary(self, _request: web.Request) -> web.Response:
        """Counts and sums of the ledger, and how often the API gave each response and triggered each fault."""
        counts = {
            "api_responses": dict(self._api.response_counts),
            "faults_triggered": dict(self._faults.triggered),
        }
        return json_response(ledger_summary(self._twilio) | counts)

    async def invoice(self, request: web.Request) -> web.Response:
        """The invoice; ``account``, ``since`` and ``until`` (GMT days) select messages."""
        days = {name: date.fromisoformat(request.query[name]) for name in ("since", "until") if name in request.query}
        return json_response(build_invoice(self._twilio, account=request.query.get("account"), **days))

    async def inbound(self, request: web.Request) -> web.Response:
        """Accept a text from a person: ``{"from", "to", "body"}``."""
        text = await read_json(request)
        message = self._twilio.receive(text["from"], text["to"], text["body"], self._clock.now())
        self._engine.run_due()
        return json_response({"sid": message.sid}, 201)

    async def outcomes(self, request: web.Request) -> web.Response:
        """Set how the next messages to a person end: ``{"to", "status", "code", "times"}``."""
        script = await read_json(request)
        times = int(script.get("times", 1))
        self._twilio.lifecycle.script(script["to"], script["status"], script.get("code"), times)
        return json_response({"ok": True}, 201)

    async def faults(self, _request: web.Request) -> web.Response:
        """The armed faults, and how often each has affected a request."""
        armed = [_fault_json(fault) for fault in self._faults.armed]
        return json_response({"armed": armed, "triggered": dict(self._faults.triggered)})

    async def arm(self, request: web.Request) -> web.Response:
        """Arm a fault: ``{"fault", "operation", "times", "probability", "seconds", "accepted", "for_seconds"}``.

        Without ``times`` and ``for_seconds`` it stays armed until cleared.
        """
        self._faults.arm(_read_fault(await read_json(request), self._clock.now()))
        return json_response({"ok": True}, 201)

    async def clear(self, _request: web.Request) -> web.Response:
        """Disarm every fault."""
        self._faults.clear()
        return json_response({"ok": True})

    async def callback_faults(self, request: web.Request) -> web.Response:
        """Set the probabilities ``{"late", "lost", "duplicated", "reordered"}`` and ``"late_by_seconds"``."""
        probabilities = await read_json(request)
        late_by = timedelta(seconds=probabilities.pop("late_by_seconds", 2))
        self._twilio.outbox.faults = CallbackFaults(late_by=late_by, **probabilities)
        return json_response({"ok": True}, 201)

    async def reset(self, _request: web.Request) -> web.Response:
        """Forget messages, blocked pairs, faults and changed conditions; the clock is not changed."""
        self._twilio.reset()
        self._faults.clear()
        return json_response({"ok": True})


@web.middleware
async def map_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a wrong control call with 400 and its cause, and an unknown path outside /sim as Twilio does."""
    if not request.path.startswith("/sim/"):
        return await _map_api_errors(request, handler)
    try:
        return await handler(request)
    except (KeyError, LookupError, TypeError, ValueError) as error:
        return json_response({"error": f"{type(error).__name__}: {error}"}, 400)


async def _map_api_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return json_response(ApiError(20404).body(), 404)
    except web.HTTPMethodNotAllowed:
        return json_response(ApiError(20004).body(), 405)


def _read_fault(body: dict[str, Any], now: datetime) -> Fault:
    for_seconds = body.get("for_seconds")
    return Fault(
        name=body["fault"],
        operation=body.get("operation", "create"),
        times=body.get("times"),
        probability=float(body.get("probability", 1)),
        after=timedelta(seconds=body.get("seconds", 30)),
        accepted=bool(body.get("accepted", True)),
        until=None if for_seconds is None else now + timedelta(seconds=for_seconds),
    )


def _fault_json(fault: Fault) -> dict[str, Any]:
    return {
        "fault": fault.name,
        "operation": fault.operation,
        "times": fault.times,
        "probability": fault.probability,
        "seconds": fault.after.total_seconds(),
        "accepted": fault.accepted,
        "until": fault.until.isoformat() if fault.until else None,
    }
