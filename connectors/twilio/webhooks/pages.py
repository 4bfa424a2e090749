"""What operators ask the ingester: ``/health``, ``/ready`` and ``/metrics``."""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST

from connectors.kafka.spool.errors import SpoolError
from connectors.kafka.spool.publisher import SpoolingPublisher
from connectors.twilio.webhooks.http_messages import HttpRequest, HttpResponse, method_not_allowed, text_response
from connectors.twilio.webhooks.metrics import ServerCollector, WebhookMetrics

PATHS = ("/health", "/ready", "/metrics")


class OperatorPages:
    """Answers GET on the paths of operators; 404 on any path nobody answers."""

    def __init__(self, publisher: SpoolingPublisher, metrics: WebhookMetrics) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self.collector: ServerCollector | None = None

    async def respond(self, path: str, request: HttpRequest) -> HttpResponse:
        """The page at ``path``."""
        if path not in PATHS:
            return HttpResponse(404)
        if request.method != "GET":
            return method_not_allowed(b"GET")
        if path == "/health":
            return text_response(200, "ok")
        return self._ready() if path == "/ready" else await self._render_metrics()

    def _ready(self) -> HttpResponse:
        """503 while webhooks are refused, so that a load balancer tries another ingester."""
        trouble, drainer = self._publisher.trouble(), self._publisher.drainer
        if trouble is not None:
            return text_response(503, trouble)
        if drainer is not None and drainer.waiting:
            return text_response(200, f"degraded: {drainer.waiting} records wait in the spool for the broker")
        return text_response(200, "ready")

    async def _render_metrics(self) -> HttpResponse:
        if self.collector is not None and self._publisher.drainer is not None:
            self.collector.contents = None
            with suppress(SpoolError):  # then ``smsflow_spool_readable`` is 0
                self.collector.contents = await self._publisher.drainer.contents()
        return HttpResponse(200, self._metrics.render(), CONTENT_TYPE_LATEST)
