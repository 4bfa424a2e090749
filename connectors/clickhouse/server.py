"""The sink's small HTTP server: its health, and the named reports where no ClickHouse server can be asked.

Binds to loopback unless told otherwise: the reports hold phone numbers and there is no login.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from connectors.clickhouse import reports
from connectors.clickhouse.engine import OneThread
from connectors.clickhouse.errors import ClickHouseConnectorError, UnknownReport
from connectors.clickhouse.sink import SinkState

logger = logging.getLogger(__name__)
Answer = Callable[[web.Request], Awaitable[Any]]
_LOCAL = ("127.0.0.1", "localhost", "::1")


class BadQuestion(ValueError):
    """The request's query cannot be read; the text names the parameter."""


class ReportServer:
    """Answers ``/reports/…`` and ``/health``; every question to ClickHouse goes through ``engine``'s one thread."""

    def __init__(self, source: reports.Reports, engine: OneThread, state: SinkState) -> None:
        self._source = source
        self._engine = engine
        self._state = state
        self._runner: web.AppRunner | None = None

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application()
        app.router.add_get("/health", self.health)
        for path, answer in (
            ("/reports/cost", self.cost),
            ("/reports/summary", self.summary),
            ("/reports/latency", self.latency),
            ("/reports/message/{message_id:.+}", self.message),
        ):
            app.router.add_get(path, _guarded(answer))
        return app

    async def start(self, port: int, host: str = "127.0.0.1") -> int:
        """Listen; the port (0 asks for a free one)."""
        self._runner = web.AppRunner(self.app(), access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def health(self, _request: web.Request) -> web.Response:
        """200 while batches go through, 503 while one does not."""
        state = {name: _plain(value) for name, value in dataclasses.asdict(self._state).items()}
        failing = self._state.failing_since is not None
        return web.json_response({"ok": not failing, **state}, status=503 if failing else 200)

    async def cost(self, request: web.Request) -> Any:
        """``?by=campaign&since=2026-05-01T00:00:00Z``."""
        by = reports.known_grouping(request.query.get("by", "campaign"))
        return reports.report_to_json(await self._engine.run(self._source.cost, by, _since(request)))

    async def summary(self, request: web.Request) -> Any:
        """``?since=…``."""
        return reports.summary_to_json(await self._engine.run(self._source.summary, _since(request)))

    async def latency(self, request: web.Request) -> Any:
        """``?since=…``."""
        return dataclasses.asdict(await self._engine.run(self._source.latency, _since(request)))

    async def message(self, request: web.Request) -> Any:
        """Every event of one message."""
        found = await self._engine.run(self._source.message, request.match_info["message_id"])
        return reports.report_to_json(found)


def _guarded(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def respond(request: web.Request) -> web.Response:
        if not _asked_by_its_name(request):
            return _error(403, f"ask for this server by its address, not as {request.host}")
        try:
            return web.json_response(await answer(request))
        except (UnknownReport, BadQuestion) as error:
            return _error(400, str(error))
        except ClickHouseConnectorError as error:
            logger.warning("report %s: %s", request.path, error)
            return _error(503, str(error))

    return respond


def _asked_by_its_name(request: web.Request) -> bool:
    """A web page can make its visitor's browser ask loopback under a name of its own (DNS rebinding)."""
    bound = request.transport.get_extra_info("sockname")[0] if request.transport else ""
    return bound not in _LOCAL or request.url.host in _LOCAL


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _since(request: web.Request) -> datetime:
    text = request.query.get("since", "1970-01-01T00:00:00Z")
    try:
        since = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadQuestion(f"since={text}: expected ISO 8601, e.g. 2026-05-01T00:00:00Z") from error
    if since.tzinfo is None:
        raise BadQuestion(f"since={text}: expected a time zone, e.g. {text}Z")
    return since


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
