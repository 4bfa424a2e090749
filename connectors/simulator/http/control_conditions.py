"""The part of the control API that changes conditions: time, rates, campaigns, carriers.

Changes last until ``POST /sim/reset`` or the end of the process; the journal does not have them.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.carrier.numbering import CARRIERS
from connectors.simulator.clock import SimulatedClock, SteppedClock
from connectors.simulator.engine import Engine
from connectors.simulator.http.json_bodies import json_response, read_json
from connectors.simulator.model.settings import Brand, Campaign


class ControlConditions:
    """Handlers for the clock, senders' rates, carriers and campaigns. docs/simulator.md lists all calls."""

    def __init__(self, twilio: SimulatedTwilio, clock: SimulatedClock, engine: Engine) -> None:
        self._twilio = twilio
        self._clock = clock
        self._engine = engine

    def routes(self) -> list[web.RouteDef]:
        """The routes of all handlers."""
        return [
            web.get("/sim/clock", self.clock),
            web.post("/sim/clock", self.move_clock),
            web.post("/sim/rates", self.rates),
            web.post("/sim/carriers", self.carriers),
            web.post("/sim/campaigns", self.campaigns),
            web.delete("/sim/campaigns/{service}", self.end_campaign),
        ]

    async def clock(self, _request: web.Request) -> web.Response:
        """The simulator's time, and whether it moves only by ``POST /sim/clock``."""
        return json_response({"now": self._clock.now().isoformat(), "manual": isinstance(self._clock, SteppedClock)})

    async def move_clock(self, request: web.Request) -> web.Response:
        """Move a stepped clock on by ``{"seconds"}``; without that key, until nothing is due any more."""
        body = await read_json(request)
        if "seconds" in body:
            await self._engine.advance(_read_seconds(float(body["seconds"])))
        else:
            await self._engine.settle()
        return await self.clock(request)

    async def rates(self, request: web.Request) -> web.Response:
        """Set one sender's rate: ``{"sender", "segments_per_second"}``; null restores the default."""
        body = await read_json(request)
        sender, rate = body["sender"], body["segments_per_second"]
        if rate is None:
            self._twilio.lifecycle.routes.rates.pop(sender, None)
        else:
            self._twilio.lifecycle.routes.rates[sender] = _read_rate(rate)
        return json_response({"ok": True}, 201)

    async def carriers(self, request: web.Request) -> web.Response:
        """Set the carrier of a person in the US: ``{"person", "carrier"}``.

        Raises:
            ValueError: There is no such carrier; the request is answered 400.
        """
        body = await read_json(request)
        if body["carrier"] not in CARRIERS:
            raise ValueError(f"{body['carrier']}: use one of {CARRIERS}")
        self._twilio.lifecycle.routes.carriers[body["person"]] = body["carrier"]
        return json_response({"ok": True}, 201)

    async def campaigns(self, request: web.Request) -> web.Response:
        """Set a service's 10DLC campaign: ``{"service", "rate", "carrier_rate", "brand", "tmobile_daily_cap"}``.

        A value that is left out is not changed; ``carrier_rate`` null: carriers have no limit.

        Raises:
            LookupError: No account has this Messaging Service; the request is answered 400.
        """
        body = await read_json(request)
        service = body.pop("service")
        if not any(account.service(service) for account in self._twilio.settings.accounts):
            raise LookupError(f"{service}: no account has this Messaging Service")
        campaigns = self._twilio.lifecycle.routes.campaigns
        campaigns[service] = _change_campaign(campaigns.get(service) or Campaign(sid="QE" + service[2:]), body)
        return json_response({"ok": True}, 201)

    async def end_campaign(self, request: web.Request) -> web.Response:
        """Remove a service's campaign, with its rate and its cap."""
        self._twilio.lifecycle.routes.campaigns.pop(request.match_info["service"], None)
        return json_response({"ok": True})


def _change_campaign(campaign: Campaign, body: dict[str, Any]) -> Campaign:
    brand = Brand(
        sid=str(body.pop("brand", campaign.brand.sid)),
        tmobile_daily_cap=int(body.pop("tmobile_daily_cap", campaign.brand.tmobile_daily_cap)),
    )
    rate, ceiling = _read_rate(body.pop("rate", campaign.rate)), body.pop("carrier_rate", campaign.carrier_rate)
    if body:
        raise TypeError(f"a campaign has no {', '.join(body)}")
    return replace(campaign, brand=brand, rate=rate, carrier_rate=None if ceiling is None else _read_rate(ceiling))


def _read_rate(rate: Any) -> float:
    if float(rate) <= 0:
        raise ValueError(f"{rate}: a rate must be above 0")
    return float(rate)


def _read_seconds(seconds: float) -> timedelta:
    if seconds < 0:
        raise ValueError(f"{seconds}: seconds must not be negative")
    return timedelta(seconds=seconds)
