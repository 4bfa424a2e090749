"""Two Faust apps, two consumer groups, and what both have in common. Nothing here connects before `run_worker`."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

import faust

from processors.streaming import ownership
from processors.streaming.durable_table import DurableTable
from processors.streaming.fail_stop import fail_stop
from processors.streaming.faust_patches import delivery, produce_fence, recovery
from schemas.topics import DAY_MS, PARTITIONS, KeySpace, Topic

logger = logging.getLogger(__name__)

PERSON_APP = "smsflow-person"
SENDER_APP = "smsflow-sender"
STOP_TIMEOUT_S = 60.0
"""Seconds between SIGTERM and giving up on a drain: more than the longest step takes, less than a supervisor waits."""


class TopicsWrong(Exception):
    """Topics are missing or have another number of partitions: create them (``smsflow topics apply``) first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConfig:
    """What one worker process is told.

    ``broker`` is Kafka's ``host:port,host:port``. ``data_dir`` belongs to this instance alone and should survive it.
    ``instance_id`` names the static group member: unique, and never shared by two live processes. ``extra`` are more
    settings of Faust's (credentials, say).
    """

    broker: str
    data_dir: Path
    instance_id: str
    partitions: int = PARTITIONS
    session_s: float = 30.0
    heartbeat_s: float = 1.0
    rebalance_s: float = 60.0
    commit_s: float = 1.0
    fence_reserve_s: float = 2.0
    linger_s: float = 0.002
    in_flight: int = 256
    window: int = 2048
    buffer: int = 4096
    tick_s: float = 0.25
    stuck_s: float = 120.0
    replication: int = 1
    extra: Mapping[str, Any] = field(default_factory=dict)


def base_app(name: str, config: AppConfig) -> faust.App:
    """A Faust app with the settings both stages share: raw bytes, durable tables, static membership, no web server."""
    ownership.install()
    recovery.install()
    delivery.install()
    produce_fence.install()
    options: dict[str, Any] = {
        "broker": "kafka://" + config.broker.replace(",", ";"),
        "datadir": config.data_dir / name,
        "store": "rocksdb://",
        "Table": DurableTable,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "autodiscover": False,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
        "consumer_group_instance_id": f"{name}-{config.instance_id}",
        "consumer_auto_offset_reset": "earliest",
        "broker_session_timeout": config.session_s,
        "broker_heartbeat_interval": config.heartbeat_s,
        "broker_rebalance_timeout": config.rebalance_s,
        "broker_request_timeout": max(90.0, config.session_s * 2),
        "broker_commit_interval": config.commit_s,
        "producer_linger": config.linger_s,
        "producer_acks": -1,
        "producer_request_timeout": 30.0,
        "stream_buffer_maxsize": config.buffer,
        "stream_wait_empty": True,
        "table_standby_replicas": 1,
        "topic_partitions": config.partitions,
        "topic_replication_factor": config.replication,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
    }
    app = faust.App(name, **(options | dict(config.extra)))
    app.smsflow_fence = fence_of(app, config)
    return app


def fence_of(app: faust.App, config: AppConfig) -> ownership.Fence:
    """The fence as this worker's session time-out wants it."""
    return ownership.Fence(app, config.session_s, config.fence_reserve_s)


def changelog_topics(app_id: str, tables: Mapping[str, type[Any]], key: KeySpace, partitions: int) -> tuple[Topic, ...]:
    """The topics behind an app's tables, as the admin must create them: name of table → what its values are."""
    config = {
        "min.cleanable.dirty.ratio": "0.2",
        "segment.ms": str(60 * 60 * 1000),
        "delete.retention.ms": str(7 * DAY_MS),  # longer than a standby may be away
    }
    return tuple(
        Topic(
            f"{app_id}-{table}-changelog",
            key,
            cast(Any, record),
            partitions=partitions,
            retention_ms=None,
            cleanup_policy="compact",
            config=config,
        )
        for table, record in tables.items()
    )


def require_topics(wanted: Iterable[Topic], partition_counts: Callable[[], Mapping[str, int]]) -> None:
    """Refuse to run on topics that are missing or split otherwise: Faust would idle in silence or crash at a write.

    ``partition_counts`` asks Kafka: topic → its number of partitions. Raises TopicsWrong, naming every difference.
    """
    found = partition_counts()
    wrong = [
        f"{topic.name}: {'missing' if topic.name not in found else f'{found[topic.name]} partitions'}, "
        f"wanted {topic.partitions}"
        for topic in wanted
        if found.get(topic.name) != topic.partitions
    ]
    if wrong:
        raise TopicsWrong("; ".join(wrong))


class _Worker(faust.Worker):  # type: ignore[misc]  # faust is untyped here
    """Faust's worker, but a drain that hangs ends."""

    def _schedule_shutdown(self, received: signal.Signals) -> None:
        self.loop.call_later(STOP_TIMEOUT_S, fail_stop, f"not drained {STOP_TIMEOUT_S:g} s after {received.name}")
        super()._schedule_shutdown(received)


def run_worker(app: faust.App, loglevel: str | int = "info", services: Sequence[Any] = ()) -> NoReturn:
    """Run until SIGTERM or SIGINT (drains, exit code 0) or until something breaks (1). Logging stays as it is set up.

    ``services`` (of mode) start and stop with the app. Raises SystemExit.
    """
    Path(str(app.conf.datadir)).mkdir(parents=True, exist_ok=True)
    loop = _new_event_loop()
    asyncio.set_event_loop(loop)
    worker = _Worker(
        app, *services, loglevel=loglevel, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True
    )
    worker.spinner = None  # it writes escape sequences to standard output
    worker.execute_from_commandline()
    raise AssertionError("execute_from_commandline does not return")


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return asyncio.new_event_loop()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # the consumer's thread makes its own loop
    return asyncio.new_event_loop()
