"""Posts webhooks over HTTP and reports how each try ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType

import aiohttp

from connectors.simulator.webhooks.payloads import WebhookDelivery, WebhookResponse

OnResult = Callable[[WebhookDelivery, WebhookResponse], None]
_HEADERS = {"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"}


class WebhookClient:
    """Posts webhooks in the order they became due, while its context is open. Redirects are not followed.

    A worker task that fails because of a bug is not restarted: see ``failure``.
    """

    def __init__(self, on_result: OnResult, concurrency: int) -> None:
        """``on_result`` gets every try with its response. ``concurrency``: how many webhooks are posted at once."""
        self._on_result = on_result
        self._concurrency = concurrency
        self._queue: asyncio.Queue[WebhookDelivery] = asyncio.Queue()

    async def __aenter__(self) -> WebhookClient:
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers=_HEADERS)
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._session.close()

    def submit(self, delivery: WebhookDelivery) -> None:
        """Post a webhook as soon as a worker task is free."""
        self._queue.put_nowait(delivery)

    async def wait_idle(self) -> None:
        """Wait until every submitted webhook was tried and its result reported."""
        await self._queue.join()

    @property
    def failure(self) -> BaseException | None:
        """The exception that stopped a worker task, or None."""
        stopped = (worker.exception() for worker in self._workers if worker.done() and not worker.cancelled())
        return next((error for error in stopped if error), None)

    async def _work(self) -> None:
        while True:
            delivery = await self._queue.get()
            try:
                self._on_result(delivery, await self._post(delivery))
            finally:
                self._queue.task_done()

    async def _post(self, delivery: WebhookDelivery) -> WebhookResponse:
        timeout = aiohttp.ClientTimeout(
            total=_seconds(delivery.rules.total),
            sock_connect=_seconds(delivery.rules.connect),
            sock_read=_seconds(delivery.rules.read),
        )
        try:
            async with self._session.post(
                delivery.url,
                data=delivery.body(),
                headers=delivery.headers(),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return WebhookResponse(_response_kind(response.status), await response.text(errors="replace"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            return WebhookResponse("ct")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return WebhookResponse("rt")


def _seconds(span: timedelta) -> float:
    return span.total_seconds()


def _response_kind(status: int) -> str:
    if status < 400:
        return "ok"
    return "4xx" if status < 500 else "5xx"
