"""Puts Twilio's webhooks on topics: an aiohttp application.

Twilio keeps nothing: what is answered 2xx and lost here is gone. So 2xx is said only after the broker's
acknowledgement, and a callback that cannot be published is answered 503, which Twilio repeats as its URL asks it to.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from aiohttp import web

from connectors.twilio.callbacks import inbound_message, parse_form, status_callback
from connectors.twilio.errors import ForgedWebhook, MalformedWebhook
from connectors.twilio.signature import Fields, SignatureCheck
from connectors.twilio.urls import INBOUND_PATH, STATUS_PATH
from schemas.codec import Codec, Wire
from schemas.records import InboundMessage
from schemas.topics import SMS_CALLBACKS, SMS_INBOUND

log = logging.getLogger(__name__)

SIGNATURE = "X-Twilio-Signature"
IDEMPOTENCY = "I-Twilio-Idempotency-Token"
FORM = "application/x-www-form-urlencoded"


class Publishes(Protocol):
    """Returns when all records are acknowledged; raises if that is not certain."""

    async def publish(self, records: Sequence[Wire]) -> None: ...


class Clock(Protocol):
    """Wall clock, and seconds on one that never jumps."""

    def now(self) -> datetime: ...

    def elapsed(self) -> float: ...


ReplyFor = Callable[[InboundMessage], str | None]
"""The text that answers an inbound message, or None for no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngesterSettings:
    """``publish_timeout`` in seconds must stay below the read time-out asked of Twilio (`CallbackRetries`).

    ``max_bytes`` of one form; ``remember`` acknowledged webhooks, so that a repeated one is answered from memory;
    ``unready_s`` after a failed publish the readiness check says no, so that a balancer tries another ingester.
    """

    public_url: str
    auth_tokens: tuple[str, ...]
    publish_timeout: float = 4.0
    max_bytes: int = 65_536
    remember: int = 20_000
    unready_s: float = 5.0


def create_app(
    settings: IngesterSettings,
    publisher: Publishes,
    codec: Codec,
    clock: Clock,
    reply_for: ReplyFor = lambda _: None,
) -> web.Application:
    """The application, bound to nothing yet. Raises SettingError for settings it cannot keep its word with."""
    return Ingester(settings, publisher, codec, clock, reply_for).app()


class Ingester:
    """The handlers and what they remember."""

    def __init__(
        self, settings: IngesterSettings, publisher: Publishes, codec: Codec, clock: Clock, reply_for: ReplyFor
    ) -> None:
        self._settings = settings
        self._check = SignatureCheck(settings.public_url, settings.auth_tokens)
        self._publisher = publisher
        self._codec = codec
        self._clock = clock
        self._reply_for = reply_for
        self._recent = _Recent(settings.remember)
        self._failed_at: float | None = None
        self._counts: Counter[tuple[str, str]] = Counter()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=self._settings.max_bytes)
        app.router.add_post(STATUS_PATH, self._answering("status", self._status))
        app.router.add_post(INBOUND_PATH, self._answering("inbound", self._inbound))
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/metrics", self._metrics)
        return app

    def _answering(
        self, route: str, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The handler, its verdicts turned into answers, every answer counted."""

        async def answer(request: web.Request) -> web.Response:
            result = "500"
            try:
                response = await _judged(handler, request)
                result = str(response.status)
            except web.HTTPException as error:
                result = str(error.status)
                raise
            finally:
                self._counts[route, result] += 1
            return response

        return answer

    async def _status(self, request: web.Request) -> web.Response:
        fields = await self._genuine(request)
        attempt_id = _query(request).get("attempt_id")
        callback = status_callback(fields, attempt_id, request.headers.get(IDEMPOTENCY), self._clock.now())
        return await self._publish_once(
            request,
            lambda: self._codec.wire(SMS_CALLBACKS, callback.person, callback),
            lambda: web.Response(status=204),
        )

    async def _inbound(self, request: web.Request) -> web.Response:
        message = inbound_message(await self._genuine(request), self._clock.now())
        return await self._publish_once(
            request,
            lambda: self._codec.wire(SMS_INBOUND, message.person, message),
            lambda: web.Response(text=twiml(self._reply_for(message)), content_type="text/xml"),
        )

    async def _genuine(self, request: web.Request) -> Fields:
        """The form's fields, once they are known to be Twilio's."""
        if request.content_type != FORM:
            raise web.HTTPUnsupportedMediaType(text=f"expected {FORM}")
        fields = parse_form(await request.read())
        if not self._check.genuine(request.raw_path, fields, request.headers.get(SIGNATURE)):
            raise ForgedWebhook
        return fields

    async def _publish_once(
        self, request: web.Request, wire: Callable[[], Wire], done: Callable[[], web.Response]
    ) -> web.Response:
        """Publish unless the very same request (it is what its signature covers) was acknowledged before."""
        seen = request.raw_path, request.headers[SIGNATURE]
        if seen in self._recent:
            self._counts["repeated", "answered"] += 1
            return done()
        if not await self._published(wire()):
            return web.Response(status=503, text="not taken, try again", headers={"Retry-After": "1"})
        self._recent.add(seen)
        return done()

    async def _published(self, wire: Wire) -> bool:
        try:
            async with asyncio.timeout(self._settings.publish_timeout):
                await self._publisher.publish((wire,))
        except Exception:  # whatever the trouble is, Twilio still has the webhook and shall bring it again
            log.exception("a webhook could not be published on %s", wire.topic)
            self._counts["publish", "failed"] += 1
            self._failed_at = self._clock.elapsed()
            return False
        return True

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        if self._failed_at is not None and self._clock.elapsed() - self._failed_at < self._settings.unready_s:
            return web.Response(status=503, text="the broker did not acknowledge\n")
        return web.Response(text="ready\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        lines = [
            f'smsflow_ingester_total{{what="{what}",result="{result}"}} {count}'
            for (what, result), count in sorted(self._counts.items())
        ]
        return web.Response(text="\n".join(["# TYPE smsflow_ingester_total counter", *lines, ""]))


async def _judged(handler: Callable[[web.Request], Awaitable[web.Response]], request: web.Request) -> web.Response:
    try:
        return await handler(request)
    except ForgedWebhook:
        return web.Response(status=403, text="not signed by a token of ours for this URL\n")
    except MalformedWebhook as error:
        return web.Response(status=400, text=f"{error}\n")


def _query(request: web.Request) -> dict[str, str]:
    return dict(parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True, max_num_fields=50))


def twiml(reply: str | None) -> str:
    """The answer to an inbound message. Source: https://www.twilio.com/docs/messaging/twiml"""
    inner = f"<Message>{escape(reply)}</Message>" if reply else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


class _Recent:
    """The last so many keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._keys

    def add(self, key: tuple[str, str]) -> None:
        self._keys[key] = None
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port, the system's choice for port 0."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
