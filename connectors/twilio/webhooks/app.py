"""The webhook endpoint as an ASGI application: routes, admission, and the response once the records are safe.

Source of the interface: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from connectors.kafka.spool.publisher import SpoolingPublisher
from connectors.twilio.errors import ForgedWebhook, MalformedWebhook
from connectors.twilio.urls import EVENTS_PATH, INBOUND_PATH, STATUS_PATH
from connectors.twilio.webhooks.handlers import Fingerprint, UnsupportedBody, WebhookResult, Webhooks
from connectors.twilio.webhooks.http_messages import (
    HttpRequest,
    HttpResponse,
    busy_response,
    method_not_allowed,
    text_response,
)
from connectors.twilio.webhooks.metrics import WebhookMetrics
from connectors.twilio.webhooks.pages import OperatorPages
from connectors.twilio.webhooks.rate_limits import Admission

logger = logging.getLogger(__name__)

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
Handler = Callable[[HttpRequest], WebhookResult]


class WebhookApp:
    """Answers one request at a time, any number of them concurrently.

    The server bounds a request's size before it comes here. Every request is read whole before it is answered.
    """

    def __init__(
        self,
        webhooks: Webhooks,
        publisher: SpoolingPublisher,
        admission: Admission,
        pages: OperatorPages,
        metrics: WebhookMetrics,
        remember: int,
    ) -> None:
        self._publisher = publisher
        self._admission = admission
        self._pages = pages
        self._metrics = metrics
        self._recent = RecentFingerprints(remember)
        self._routes: dict[str, tuple[str, Handler]] = {
            STATUS_PATH: ("status", webhooks.status),
            INBOUND_PATH: ("inbound", webhooks.inbound),
            EVENTS_PATH: ("events", webhooks.events),
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI asks for it."""
        message = await receive()
        body = message.get("body") if not message.get("more_body") else await _read_rest(message, receive)
        if body is None:  # the client went away, or the server refused the rest of the request
            return
        request = HttpRequest(scope["method"], _target(scope), dict(scope["headers"]), body)
        response = await self.respond(request)
        await send({"type": "http.response.start", "status": response.status, "headers": _headers(response)})
        await send({"type": "http.response.body", "body": response.body})

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """The response to one request, once what it brought is in Kafka or on the disk."""
        path = request.target.partition("?")[0]
        route = self._routes.get(path)
        if route is None:
            return await self._pages.respond(path, request)
        name, handler = route
        post = request.method == "POST"
        response = await self._admit(handler, request) if post else method_not_allowed(b"POST")
        self._metrics.responses[name, response.status] += 1
        return response

    async def _admit(self, handler: Handler, request: HttpRequest) -> HttpResponse:
        """Handle and publish, unless there is too much to do or the very same request was acknowledged before."""
        overload = self._admission.enter()
        if overload is not None:
            self._metrics.shed.labels(overload).inc()
            return busy_response(overload)
        try:
            result = _handle(handler, request)
            if isinstance(result, HttpResponse):
                return result
            if result.fingerprint in self._recent:
                self._metrics.repeated.inc()
            elif result.records:
                if not await self._publisher.put(result.records):
                    return busy_response("not taken, try again")
                self._recent.add(result.fingerprint)
            return _response_of(result)
        finally:
            self._admission.leave()


class RecentFingerprints:
    """The last ``size`` webhooks that were acknowledged."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[Fingerprint, None] = OrderedDict()

    def __contains__(self, fingerprint: Fingerprint) -> bool:
        return fingerprint in self._known

    def add(self, fingerprint: Fingerprint) -> None:
        """Remember one; the oldest is forgotten."""
        self._known[fingerprint] = None
        if len(self._known) > self._size:
            self._known.popitem(last=False)


async def _read_rest(message: AsgiMessage, receive: Receive) -> bytes | None:
    """The body from its first piece on; None if it does not come to its end."""
    pieces = []
    while message["type"] == "http.request":
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)
        message = await receive()
    return None


def _target(scope: MutableMapping[str, Any]) -> str:
    """The request target as sent, without a scheme and host: what Twilio signs behind our public URL."""
    path, query = scope["raw_path"], scope["query_string"]
    target: bytes = path + b"?" + query if query else path
    return target.decode("utf-8", "surrogateescape")


def _headers(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    headers = list(response.headers)
    if response.status != 204:
        headers.append((b"content-type", response.content_type.encode()))
        headers.append((b"content-length", b"%d" % len(response.body)))
    return headers


def _handle(handler: Handler, request: HttpRequest) -> WebhookResult | HttpResponse:
    try:
        return handler(request)
    except ForgedWebhook:
        return text_response(403, "no secret of ours signs this request for this URL")
    except UnsupportedBody as error:
        return text_response(415, str(error))
    except MalformedWebhook as error:
        return text_response(400, str(error))
    except Exception:
        logger.exception("a webhook could not be read; it is answered 500 and Twilio repeats it")
        return text_response(500, "internal error")


def _response_of(result: WebhookResult) -> HttpResponse:
    try:
        return result.respond()
    except Exception:
        logger.exception("no reply could be decided; the inbound message itself is on its topic")
        return text_response(500, "internal error")
