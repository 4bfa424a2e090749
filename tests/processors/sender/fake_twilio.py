"""The smallest Twilio that counts: it accepts every create after ``latency_s`` and remembers whose attempt it was."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Self
from urllib.parse import parse_qs, urlsplit

from aiohttp import web


class FakeTwilio:
    """An HTTP server in a thread of its own. ``called``: attempt → how often a create call for it arrived."""

    def __init__(self, latency_s: float = 0.05) -> None:
        self.latency_s = latency_s
        self.called: Counter[str] = Counter()
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", self._create)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        self.url = f"http://{host}:{port}"
        self._ready.set()
        await self._stopped.wait()
        await runner.cleanup()

    async def _create(self, request: web.Request) -> web.Response:
        form = await request.post()
        query = parse_qs(urlsplit(str(form["StatusCallback"])).query)
        self.called[query["attempt_id"][0]] += 1
        sid = f"SM{sum(self.called.values()):032x}"
        await asyncio.sleep(self.latency_s)
        return web.json_response({"sid": sid, "status": "queued"}, status=201)
