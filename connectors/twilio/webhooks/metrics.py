"""The ingester's figures, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from connectors.kafka.spool.drainer import SpoolDrainer
from connectors.kafka.spool.sqlite_file import Contents
from connectors.twilio.webhooks.http_server import Connections


def answers(counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """What was answered, by route; what was repeated, failed, shed."""
    yield "# TYPE smsflow_ingester_total counter"
    for (what, result), count in sorted(counts.items()):
        if count:
            yield f'smsflow_ingester_total{{what="{what}",result="{result}"}} {count}'


def connections(open_: Connections) -> Iterator[str]:
    yield from _figure("connections", "gauge", len(open_.open))
    yield from _figure("connections_refused_total", "counter", open_.refused)
    yield from _figure("connections_timed_out_total", "counter", open_.timed_out)
    yield from _figure("requests_malformed_total", "counter", open_.malformed)


def spool(backlog: SpoolDrainer, contents: Contents | None, now: datetime) -> Iterator[str]:
    """To watch: the age (Kafka is away), not_kept (the disk is full, Twilio is told to come again), damaged.

    ``contents`` is None where the disk does not even answer.
    """
    for name, count in sorted(backlog.counts.items()):
        yield from _figure(f"spool_{name}_total", "counter", count)
    yield from _figure("spool_records", "gauge", backlog.waiting)
    yield from _figure("spool_drain_rate", "gauge", round(backlog.rate, 1))
    yield from _figure("spool_readable", "gauge", int(contents is not None))
    if contents is not None:
        age = 0.0 if contents.oldest_at is None else max(0.0, now.timestamp() - contents.oldest_at)
        yield from _figure("spool_oldest_age_seconds", "gauge", round(age, 3))
        yield from _figure("spool_bytes", "gauge", contents.bytes)
        yield from _figure("spool_damaged_records", "gauge", contents.damaged)


def _figure(name: str, kind: str, value: float) -> Iterator[str]:
    yield f"# TYPE smsflow_ingester_{name} {kind}"
    yield f"smsflow_ingester_{name} {value}"
