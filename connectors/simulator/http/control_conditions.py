"""The part of the control API that changes the world's conditions: time, rates, campaigns, carriers.

They hold until `/sim/reset` or the end of the process; the journal does not keep them.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from connectors.simulator.carrier.numbering import CARRIERS
from connectors.simulator.clock import SimulatorClock, SimulatorManualClock
from connectors.simulator.http.engine import Engine
from connectors.simulator.http.json_bodies import json_response, read_json
from connectors.simulator.model.settings import Brand, Campaign
from connectors.simulator.model.twilio import SimulatedTwilio


class ControlConditions:
    """Handlers for whoever runs a test or a demo."""

    def __init__(self, world: SimulatedTwilio, clock: SimulatorClock, engine: Engine) -> None:
        self._world = world
        self._clock = clock
        self._engine = engine

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sim/clock", self.clock),
            web.post("/sim/clock", self.move_clock),
            web.post("/sim/rates", self.rates),
            web.post("/sim/carriers", self.carriers),
            web.post("/sim/campaigns", self.campaigns),
            web.delete("/sim/campaigns/{service}", self.end_campaign),
        ]

    async def clock(self, _request: web.Request) -> web.Response:
        """The simulator's time, and whether it only moves when told to."""
        return json_response(
            {"now": self._clock.now().isoformat(), "manual": isinstance(self._clock, SimulatorManualClock)}
        )

    async def move_clock(self, request: web.Request) -> web.Response:
        """`{"seconds"}` lets time pass on a manual clock; without, it passes until nothing is due any more."""
        wish = await read_json(request)
        if "seconds" in wish:
            await self._engine.advance(_not_negative(float(wish["seconds"])))
        else:
            await self._engine.settle()
        return await self.clock(request)

    async def rates(self, request: web.Request) -> web.Response:
        """`{"sender", "segments_per_second"}`: how fast one sender's queue empties; null takes the wish back."""
        wish = await read_json(request)
        sender, rate = wish["sender"], wish["segments_per_second"]
        if rate is None:
            self._world.life.routes.rates.pop(sender, None)
        else:
            self._world.life.routes.rates[sender] = _positive(rate)
        return json_response({"ok": True}, 201)

    async def carriers(self, request: web.Request) -> web.Response:
        """`{"person", "carrier"}`: whose subscriber a person in the US is."""
        wish = await read_json(request)
        if wish["carrier"] not in CARRIERS:
            raise ValueError(f"{wish['carrier']}: use one of {CARRIERS}")
        self._world.life.routes.carriers[wish["person"]] = wish["carrier"]
        return json_response({"ok": True}, 201)

    async def campaigns(self, request: web.Request) -> web.Response:
        """`{"service", "rate", "carrier_rate", "brand", "tmobile_daily_cap"}`: the 10DLC campaign of a service.

        What is left out stays as it is; `carrier_rate` null: carriers take everything.
        """
        wish = await read_json(request)
        service = wish.pop("service")
        if not any(account.service(service) for account in self._world.settings.accounts):
            raise LookupError(f"{service} is no service of any account")
        campaigns = self._world.life.routes.campaigns
        campaigns[service] = _changed(campaigns.get(service) or Campaign(sid="QE" + service[2:]), wish)
        return json_response({"ok": True}, 201)

    async def end_campaign(self, request: web.Request) -> web.Response:
        """The service has no campaign any more: no rate over its numbers, no cap."""
        self._world.life.routes.campaigns.pop(request.match_info["service"], None)
        return json_response({"ok": True})


def _changed(campaign: Campaign, wish: dict[str, Any]) -> Campaign:
    brand = Brand(
        sid=str(wish.pop("brand", campaign.brand.sid)),
        tmobile_daily_cap=int(wish.pop("tmobile_daily_cap", campaign.brand.tmobile_daily_cap)),
    )
    rate, ceiling = _positive(wish.pop("rate", campaign.rate)), wish.pop("carrier_rate", campaign.carrier_rate)
    if wish:
        raise TypeError(f"a campaign has no {', '.join(wish)}")
    return replace(campaign, brand=brand, rate=rate, carrier_rate=None if ceiling is None else _positive(ceiling))


def _positive(rate: Any) -> float:
    if float(rate) <= 0:
        raise ValueError(f"{rate}: a rate is above 0")
    return float(rate)


def _not_negative(seconds: float) -> timedelta:
    if seconds < 0:
        raise ValueError("time does not run backwards")
    return timedelta(seconds=seconds)
