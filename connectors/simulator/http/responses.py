"""Answers of the API as Twilio writes them: headers, wire errors, and a count of what was answered."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.messages import Message, resource
from connectors.simulator.model.seeded_random import hex32
from connectors.simulator.model.settings import SimulationSettings


class ApiResponses:
    """Builds responses. `answered` counts them: errors by their code, everything else by HTTP status.

    `running`: the requests being served, by account.
    """

    def __init__(self, settings: SimulationSettings, running: Mapping[str, int]) -> None:
        self._settings = settings
        self._running = running
        self.answered: Counter[str] = Counter()

    def shown(self, result: Message | ApiError, status: int = 200) -> web.Response:
        """A message, or why there is none."""
        return self.refused(result) if isinstance(result, ApiError) else self.json(status, resource(result))

    def refused(self, refusal: ApiError) -> web.Response:
        """Twilio's error JSON; a 429 may say when to come back."""
        response = self.json(refusal.status, refusal.body(), str(refusal.code))
        if refusal.code == 20003:
            response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        if refusal.code == 20429 and self._settings.retry_after_s is not None:
            response.headers["Retry-After"] = str(self._settings.retry_after_s)
        return response

    def json(self, status: int, content: dict[str, Any], counted: str | None = None) -> web.Response:
        """Any JSON, with the headers that every answer has."""
        self.answered[counted or str(status)] += 1
        headers = {
            "Twilio-Request-Id": "RQ" + hex32(self._settings.seed, "request", self.answered.total()),
            "Twilio-Concurrent-Requests": str(sum(self._running.values())),
        }
        body = orjson.dumps(content)
        return web.Response(status=status, body=body, headers=headers, content_type="application/json")
