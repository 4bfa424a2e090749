"""Responses of the Messages API as Twilio writes them, and a count of them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.messages import Message, message_resource
from connectors.simulator.model.seeded_random import hex32
from connectors.simulator.model.settings import SimulationSettings


class ApiResponses:
    """Builds responses. ``counts`` counts them: errors by Twilio's code, all others by HTTP status."""

    def __init__(self, settings: SimulationSettings, open_requests: Mapping[str, int]) -> None:
        """``open_requests``: how many requests of each account are being served, kept current by the caller."""
        self._settings = settings
        self._open_requests = open_requests
        self.counts: Counter[str] = Counter()

    def message(self, result: Message | ApiError, status: int = 200) -> web.Response:
        """The Message resource, or the error in its place."""
        return self.error(result) if isinstance(result, ApiError) else self.json(status, message_resource(result))

    def error(self, error: ApiError) -> web.Response:
        """Twilio's error JSON; a 429 has ``Retry-After`` where the settings say so."""
        response = self.json(error.status, error.body(), str(error.code))
        if error.code == 20003:
            response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        if error.code == 20429 and self._settings.retry_after_s is not None:
            response.headers["Retry-After"] = str(self._settings.retry_after_s)
        return response

    def json(self, status: int, content: dict[str, Any], counted_as: str | None = None) -> web.Response:
        """Any JSON object, with the headers that every response has."""
        self.counts[counted_as or str(status)] += 1
        headers = {
            "Twilio-Request-Id": "RQ" + hex32(self._settings.seed, "request", self.counts.total()),
            "Twilio-Concurrent-Requests": str(sum(self._open_requests.values())),
        }
        body = orjson.dumps(content)
        return web.Response(status=status, body=body, headers=headers, content_type="application/json")
