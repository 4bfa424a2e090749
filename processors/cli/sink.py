"""``smsflow sink``: the ClickHouse sink."""

from __future__ import annotations

import click

from processors.wiring.command_settings import role_settings
from processors.wiring.run_server import run_server
from processors.wiring.sink import open_sink


@click.command("sink")
@click.pass_context
def command(context: click.Context) -> None:
    """Run the ClickHouse sink, with its health and the reports on its own port.

    An embedded ClickHouse (clickhouse_url = "chdb:///folder") belongs to this process, which also migrates it.
    """
    settings = role_settings(context, "sink")
    run_server(settings, lambda: open_sink(settings))
