"""An HTTP proxy between a client and the simulator that records every exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from tests.contracts.openapi import Exchange

_HOP = {"Host", "Content-Length", "Connection", "Transfer-Encoding", "Accept-Encoding"}


class Recorder:
    """Forwards requests to ``target``; ``exchanges`` are all requests with their responses, in order."""

    def __init__(self, target: str, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session
        self.base_url = ""
        self.exchanges: list[Exchange] = []

    async def forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        url = URL(self._target + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, data=body or None, headers=headers) as response:
            content = await response.read()
            self._record(request, body, response.status, content, response.content_type)
            headers = {name: value for name, value in response.headers.items() if name not in _HOP}
            return web.Response(status=response.status, body=content or None, headers=headers)

    def _record(self, request: web.Request, body: bytes, status: int, content: bytes, content_type: str) -> None:
        exchange = Exchange(
            method=request.method,
            path=request.path,
            query=request.raw_path.partition("?")[2],
            headers=dict(request.headers),
            body=body,
            status=status,
            response_body=content,
            response_type=content_type,
        )
        self.exchanges.append(exchange)


@asynccontextmanager
async def recording(target: str) -> AsyncIterator[Recorder]:
    """A recorder in front of ``target``."""
    async with aiohttp.ClientSession() as session:
        recorder = Recorder(target, session)
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", recorder.forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        recorder.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield recorder
        finally:
            await runner.cleanup()
