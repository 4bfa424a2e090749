"""``smsflow migrate``: ClickHouse's tables in the form that this release needs."""

from __future__ import annotations

from contextlib import closing

import click

from connectors.clickhouse.errors import ClickHouseConnectorError
from connectors.clickhouse.migrate import migrate
from processors.wiring.command_settings import client_settings
from processors.wiring.sink import open_clickhouse


@click.command("migrate")
@click.pass_context
def command(context: click.Context) -> None:
    """Apply every migration that is missing, in order. An embedded ClickHouse is migrated by its sink."""
    try:
        with closing(open_clickhouse(client_settings(context))) as clickhouse:
            applied = migrate(clickhouse)
    except ClickHouseConnectorError as error:
        raise click.ClickException(str(error)) from error
    for file in applied:
        click.echo(f"applied {file}")
    click.echo("ClickHouse is up to date")
