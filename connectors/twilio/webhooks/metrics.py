"""The ingester's metrics, in a Prometheus registry of its own."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.kafka.spool.drainer import SpoolDrainer
from connectors.kafka.spool.publisher import SpoolingPublisher
from connectors.kafka.spool.sqlite_file import SpoolContents
from connectors.twilio.webhooks.server import WebhookServer

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter that nobody asked for


class WebhookMetrics:
    """Counters that the application grows while it handles webhooks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.repeated = self._counter("repeated", "Webhooks answered from memory: the same request came before.")
        self.shed = self._counter("shed", "Webhooks answered 503 because of too much load.", "reason")
        self.dead_letters = self._counter("dead_letters", "Signed webhooks put on a dead-letter topic.", "reason")
        self.events = self._counter("skipped_events", "Event Streams events that made no callback.", "reason")
        self.replies_withheld = self._counter("replies_withheld", "Automatic replies withheld from a loop.")
        self.responses: Counts[tuple[str, int]] = Counts()
        self.registry.register(ResponseCollector(self.responses))

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"smsflow_webhook_{name}", documentation, labels, registry=self.registry)


class ResponseCollector(Collector):
    """Responses by route and HTTP status, counted in a plain dictionary: a Prometheus counter costs 1 µs."""

    def __init__(self, responses: Counts[tuple[str, int]]) -> None:
        self._responses = responses

    def collect(self) -> Iterator[Metric]:
        """The one metric, as Prometheus' registry asks for it."""
        metric = CounterMetricFamily("smsflow_webhook_responses", "Responses.", labels=["route", "status"])
        for (route, status), count in self._responses.items():
            metric.add_metric([route, str(status)], count)
        yield metric


class ServerCollector(Collector):
    """Reads the server's and the publisher's own figures when Prometheus asks.

    ``contents`` is what the spool's file contained when it was last read, None where the disk did not answer.
    """

    def __init__(self, server: WebhookServer, publisher: SpoolingPublisher, now: Callable[[], datetime]) -> None:
        self._server = server
        self._publisher = publisher
        self._now = now
        self.contents: SpoolContents | None = None

    def collect(self) -> Iterator[Metric]:
        """Every figure, as Prometheus' registry asks for it."""
        counts, name = self._server.counts, "smsflow_webhook_"
        yield GaugeMetricFamily(f"{name}connections", "Open connections.", self._server.limit.open)
        refused = CounterMetricFamily(f"{name}connections_refused", "Connections over a limit.", labels=["limit"])
        for limit in ("total", "address"):
            refused.add_metric([limit], counts[f"refused_{limit}"])
        yield refused
        yield _counter(f"{name}requests_timed_out", "Requests that took too long.", counts["timed_out"])
        yield _counter(f"{name}requests_malformed", "Requests that are not HTTP.", counts["malformed"])
        yield _counter(f"{name}tls_handshakes_failed", "TLS handshakes that failed.", counts["tls_failed"])
        yield _counter(f"{name}publish_failures", "Publishes without an acknowledgement.", self._publisher.failures)
        if self._publisher.drainer is not None:
            yield from self._spool(self._publisher.drainer)

    def _spool(self, drainer: SpoolDrainer) -> Iterator[Metric]:
        for what, count in sorted(drainer.counts.items()):
            yield _counter(f"smsflow_spool_{what}", f"Records: {what.replace('_', ' ')}.", count)
        yield _gauge("records", "Records that wait for Kafka.", drainer.waiting)
        yield _gauge("drain_rate", "Records per second of the drain under way.", drainer.rate)
        yield _gauge("readable", "1 if the spool's file can be read.", int(self.contents is not None))
        if self.contents is not None:
            yield _gauge("oldest_age_seconds", "Age of the oldest record.", self._age(self.contents))
            yield _gauge("bytes", "Size of the records in the file.", self.contents.bytes)
            yield _gauge("damaged_records", "Damaged records in the file.", self.contents.damaged)

    def _age(self, contents: SpoolContents) -> float:
        if contents.oldest_at is None:
            return 0.0
        return max(0.0, self._now().timestamp() - contents.oldest_at)


def _counter(name: str, documentation: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, documentation, value)


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"smsflow_spool_{name}", documentation, value)
