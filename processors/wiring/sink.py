"""Settings → the ClickHouse sink with its report server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.engine import OneThread
from connectors.clickhouse.migrate import migrate
from connectors.clickhouse.reports import ClickHouseReports
from connectors.clickhouse.server import ReportServer
from connectors.clickhouse.sink import TOPICS, Sink, SinkOptions
from connectors.clock import SystemClock
from connectors.kafka.consumer import GroupConsumer
from connectors.kafka.errors import PublishError, ReadError
from connectors.kafka.producer import KafkaPublisher
from processors.settings.model import Settings
from processors.wiring.factories import build_cluster, build_codec, instance_id

GROUP = "smsflow-sink"


@asynccontextmanager
async def open_sink(settings: Settings) -> AsyncIterator[str]:
    """Store events until closed; gives the address of health and reports.

    Raises:
        ClickHouseConnectorError: A failure that waiting does not cure.
    """
    engine = OneThread("clickhouse")
    clickhouse = await engine.run(open_clickhouse, settings)
    if settings.embedded_clickhouse is not None:
        await engine.run(migrate, clickhouse)
    with _consumer(settings) as consumer, closing(clickhouse):
        sink = _sink(settings, consumer, clickhouse, engine)
        server = ReportServer(ClickHouseReports(clickhouse), engine, sink.state)
        port = await server.start(settings.sink.port, settings.sink.host)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sink.run())
            yield f"http://{settings.sink.host}:{port}"
            sink.stop.set()
        await server.close()
        engine.close()


def open_clickhouse(settings: Settings) -> ClickHouse:
    """A connection; the folder of an embedded engine is made where there is none.

    Raises:
        Unavailable: The server does not answer.
        FolderInUse: Another process has the embedded engine's folder open.
    """
    folder = settings.embedded_clickhouse
    if folder is not None:
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
    return ClickHouse(settings.clickhouse_url)


def _sink(settings: Settings, consumer: GroupConsumer, clickhouse: ClickHouse, engine: OneThread) -> Sink:
    return Sink(
        consumer,
        clickhouse,
        KafkaPublisher(build_cluster(settings)).publish,
        build_codec(settings),
        SystemClock().now,
        engine=engine,
        options=SinkOptions(linger=settings.sink.linger_s, passing=(ReadError, PublishError)),
    )


def _consumer(settings: Settings) -> GroupConsumer:
    return GroupConsumer(
        build_cluster(settings),
        GROUP,
        TOPICS,
        group_instance_id=f"{GROUP}-{instance_id(settings)}",
        session_timeout_ms=int(settings.worker.session_s * 1000),
    )
