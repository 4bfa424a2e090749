"""``smsflow sink``: public events → ClickHouse, and reports where that is embedded in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import click

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
from processors.cli.migrate import open_clickhouse
from processors.settings.model import Settings
from processors.wiring.factories import build_cluster, build_codec, instance_id, role_settings
from processors.wiring.run_server import run_role

GROUP = "smsflow-sink"


@click.command("sink")
@click.pass_context
def command(context: click.Context) -> None:
    """Run the ClickHouse sink, with its health and the reports on its own port.

    An embedded ClickHouse (clickhouse_url = "chdb:///folder") belongs to this process and is migrated by it.
    """
    settings = role_settings(context, "sink")
    run_role(settings, lambda: open_sink(settings))


@asynccontextmanager
async def open_sink(settings: Settings) -> AsyncIterator[str]:
    """Store until closed; gives the address of health and reports. Raises what waiting cannot heal."""
    engine = OneThread("clickhouse")
    clickhouse = await engine.run(open_clickhouse, settings)
    if settings.embedded_clickhouse is not None:
        await engine.run(migrate, clickhouse)
    with _reader(settings) as reader, closing(clickhouse):
        sink = _sink(settings, reader, clickhouse, engine)
        server = ReportServer(ClickHouseReports(clickhouse), engine, sink.state)
        port = await server.start(settings.sink.port, settings.sink.host)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sink.run())
            yield f"http://{settings.sink.host}:{port}"
            sink.stop.set()
        await server.close()
        engine.close()


def _sink(settings: Settings, reader: GroupConsumer, clickhouse: ClickHouse, engine: OneThread) -> Sink:
    return Sink(
        reader,
        clickhouse,
        KafkaPublisher(build_cluster(settings)).publish,
        build_codec(settings),
        SystemClock().now,
        engine=engine,
        options=SinkOptions(linger=settings.sink.linger_s, passing=(ReadError, PublishError)),
    )


def _reader(settings: Settings) -> GroupConsumer:
    return GroupConsumer(
        build_cluster(settings),
        GROUP,
        TOPICS,
        group_instance_id=f"{GROUP}-{instance_id(settings)}",
        session_timeout_ms=int(settings.worker.session_s * 1000),
    )
