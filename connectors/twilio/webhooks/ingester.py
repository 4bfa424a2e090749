"""Puts Twilio's webhooks on topics.

Twilio keeps nothing: what is answered 2xx and lost here is gone. So 2xx is said only after the broker's acknowledgement
or, where a spool is configured, the disk's; a webhook that neither takes is answered 503, which Twilio repeats as its
URL asks it to.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from connectors.kafka.spool.drainer import Clock, Publishes, SpoolDrainer
from connectors.kafka.spool.errors import SpoolError
from connectors.kafka.spool.publisher import SpoolingPublisher
from connectors.kafka.spool.spool import Spool
from connectors.twilio.errors import ForgedWebhook, MalformedWebhook
from connectors.twilio.urls import EVENTS_PATH, INBOUND_PATH, STATUS_PATH
from connectors.twilio.webhooks import metrics
from connectors.twilio.webhooks.handlers import ReplyFor, UnsupportedBody, WebhookResult, Webhooks, twiml
from connectors.twilio.webhooks.http_messages import Answer, Request, Respond, busy, text
from connectors.twilio.webhooks.http_server import Connections
from connectors.twilio.webhooks.options import IngesterOptions
from connectors.twilio.webhooks.rate_limits import Admission, AutoReplyGuard
from connectors.twilio.webhooks.signature import SignatureCheck
from schemas.codec import Codec

__all__ = ["Clock", "Ingester", "IngesterOptions", "Publishes", "ReplyFor", "create_ingester", "serving", "twiml"]

log = logging.getLogger(__name__)


def create_ingester(
    settings: IngesterOptions,
    publisher: Publishes,
    codec: Codec,
    clock: Clock,
    reply_for: ReplyFor = lambda _: None,
) -> Ingester:
    """The application, bound to nothing yet. Raises SettingError for settings it cannot keep its word with."""
    return Ingester(settings, publisher, codec, clock, reply_for)


class Ingester:
    """Answers requests, between the start and the end of `running`."""

    def __init__(
        self, settings: IngesterOptions, publisher: Publishes, codec: Codec, clock: Clock, reply_for: ReplyFor
    ) -> None:
        self.settings = settings
        self._publisher = publisher
        self._clock = clock
        self._counts: Counter[tuple[str, str]] = Counter()
        check = SignatureCheck(settings.public_url, settings.auth_tokens, settings.shared_keys)
        guarded = AutoReplyGuard(reply_for, clock.elapsed, settings.max_replies, settings.replies_within)
        webhooks = Webhooks(check, codec, _LoopTickClock(clock).now, guarded, self._counts)
        self._routes = {
            STATUS_PATH: ("status", webhooks.status),
            INBOUND_PATH: ("inbound", webhooks.inbound),
            EVENTS_PATH: ("events", webhooks.events),
        }
        self._replies = guarded
        self._admission = Admission(settings.max_concurrent, settings.max_rate, clock.elapsed)
        self._recent = _Recent(settings.remember)
        self._pages: set[asyncio.Task[None]] = set()
        self._delivery: SpoolingPublisher | None = None
        self._connections: Connections | None = None
        settings.tls()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Connections]:
        """Take up the spool, and in the end leave in it what is not through. Raises SettingError for its file."""
        s = self.settings
        backlog = None
        if s.spool_path is not None:
            spool = Spool(s.spool_path, s.spool_max_bytes)
            backlog = SpoolDrainer(spool, self._publisher, self._clock, s.drain_batch, s.retry_s)
        self._delivery = SpoolingPublisher(self._publisher, self._clock, s.publish_timeout, backlog, s.unready_s)
        self._connections = Connections(self.handle, s.bounds())
        await self._delivery.start()
        try:
            yield self._connections
        finally:
            await self._delivery.stop()

    def handle(self, request: Request, respond: Respond) -> None:
        """Answer one request, now or later."""
        path = request.target.partition("?")[0]
        route = self._routes.get(path)
        if route is not None and request.method == "POST":
            self._receive(*route, request, respond)
        elif route is not None:
            self._counts[route[0], "405"] += 1
            respond(Answer(405, headers=(("Allow", "POST"),)))
        else:
            self._page(path, request.method, respond)

    def _receive(self, name: str, read: Callable[[Request], WebhookResult], request: Request, respond: Respond) -> None:
        shed = self._admission.enter()
        if shed is not None:
            self._counts["shed", shed] += 1
            self._counts[name, "503"] += 1
            respond(busy(shed))
            return

        def finish(answer: Answer) -> None:
            self._admission.leave()
            self._counts[name, str(answer.status)] += 1
            respond(answer)

        verdict = _judged(read, request)
        if isinstance(verdict, Answer):
            finish(verdict)
        else:
            self._deliver(verdict, finish)

    def _deliver(self, letter: WebhookResult, finish: Respond) -> None:
        """Publish unless the very same request was acknowledged before."""
        if letter.seen in self._recent:
            self._counts["repeated", "answered"] += 1
            finish(_said(letter))
            return
        assert self._delivery is not None
        if not letter.wires:
            finish(_said(letter))
        told = self._told(letter, finish)
        for wire in letter.wires:
            self._delivery.put(wire, told)

    def _told(self, letter: WebhookResult, finish: Respond) -> Callable[[bool], None]:
        """Called per record; answers once all of them are through."""
        left, all_safe = len(letter.wires), True

        def told(safe: bool) -> None:  # noqa: FBT001  the one thing there is to say
            nonlocal left, all_safe
            left -= 1
            all_safe = all_safe and safe
            if left:
                return
            if all_safe:
                self._recent.add(letter.seen)
            finish(_said(letter) if all_safe else busy("not taken, try again"))

        return told

    def _page(self, path: str, method: str, respond: Respond) -> None:
        if path not in ("/health", "/ready", "/metrics"):
            respond(Answer(404))
        elif method != "GET":
            respond(Answer(405, headers=(("Allow", "GET"),)))
        elif path == "/health":
            respond(text(200, "ok"))
        elif path == "/ready":
            respond(self._ready())
        else:
            task = asyncio.get_running_loop().create_task(self._metrics(respond))
            self._pages.add(task)
            task.add_done_callback(self._pages.discard)

    def _ready(self) -> Answer:
        assert self._delivery is not None
        trouble, backlog = self._delivery.trouble(), self._delivery.backlog
        if trouble is not None:
            return text(503, trouble)
        if backlog is not None and backlog.waiting:
            return text(200, f"degraded: {backlog.waiting} records wait in the spool for the broker")
        return text(200, "ready")

    async def _metrics(self, respond: Respond) -> None:
        assert self._delivery is not None
        assert self._connections is not None
        backlog = self._delivery.backlog
        self._counts["publish", "failed"] = self._delivery.failures
        self._counts["inbound", "reply_withheld"] = self._replies.withheld
        lines = [*metrics.answers(self._counts), *metrics.connections(self._connections)]
        if backlog is not None:
            contents = None
            with suppress(SpoolError):  # then the figures say that the disk does not answer
                contents = await backlog.contents()
            lines += metrics.spool(backlog, contents, self._clock.now())
        respond(Answer(200, "\n".join([*lines, ""]).encode()))


def _judged(read: Callable[[Request], WebhookResult], request: Request) -> WebhookResult | Answer:
    try:
        return read(request)
    except ForgedWebhook:
        return text(403, "not signed by a secret of ours for this URL")
    except UnsupportedBody as error:
        return text(415, str(error))
    except MalformedWebhook as error:
        return text(400, str(error))
    except Exception:
        log.exception("a request could not be judged")
        return text(500, "a bug of ours")


def _said(letter: WebhookResult) -> Answer:
    try:
        return letter.answer()
    except Exception:
        log.exception("no answer could be decided; the message itself is safe")
        return text(500, "a bug of ours")


class _LoopTickClock:
    """What arrives in one turn of the loop arrived at one time: it is asked for, and turned into bytes, only once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now: datetime | None = None

    def now(self) -> datetime:
        if self._now is None:
            self._now = self._clock.now()
            asyncio.get_running_loop().call_soon(self._over)
        return self._now

    def _over(self) -> None:
        self._now = None


class _Recent:
    """The last so many keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def __contains__(self, key: tuple[str, bytes]) -> bool:
        return key in self._keys

    def add(self, key: tuple[str, bytes]) -> None:
        self._keys[key] = None
        if len(self._keys) > self._size:
            self._keys.popitem(last=False)


@asynccontextmanager
async def serving(app: Ingester, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port, the system's choice for port 0."""
    loop = asyncio.get_running_loop()
    async with app.running() as connections:
        server = await loop.create_server(connections, host, port, ssl=app.settings.tls(), backlog=1024)
        ticking = loop.create_task(connections.tick_for_ever())
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            connections.close()
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
