"""Stands between a client and the simulator and writes down what passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from tests.contracts.openapi import Exchange

_HOP = {"Host", "Content-Length", "Connection", "Transfer-Encoding", "Accept-Encoding"}


class Recorder:
    """``exchanges``: everything that passed, in order."""

    def __init__(self, target: str, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session
        self.base_url = ""
        self.exchanges: list[Exchange] = []

    async def pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        url = URL(self._target + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, data=body or None, headers=headers) as response:
            answer = await response.read()
            self._note(request, body, response.status, answer, response.content_type)
            kept = {name: value for name, value in response.headers.items() if name not in _HOP}
            return web.Response(status=response.status, body=answer or None, headers=kept)

    def _note(self, request: web.Request, body: bytes, status: int, answer: bytes, answer_type: str) -> None:
        exchange = Exchange(
            method=request.method,
            path=request.path,
            query=request.raw_path.partition("?")[2],
            headers=dict(request.headers),
            body=body,
            status=status,
            answer=answer,
            answer_type=answer_type,
        )
        self.exchanges.append(exchange)


@asynccontextmanager
async def recording(target: str) -> AsyncIterator[Recorder]:
    """A recorder in front of ``target``."""
    async with aiohttp.ClientSession() as session:
        recorder = Recorder(target, session)
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", recorder.pass_on)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        recorder.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield recorder
        finally:
            await runner.cleanup()
