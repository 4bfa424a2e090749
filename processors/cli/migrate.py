"""``smsflow migrate``: ClickHouse's tables, as this release wants them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.errors import ClickHouseConnectorError
from connectors.clickhouse.migrate import migrate
from processors.settings.model import Settings
from processors.wiring.factories import client_settings


@click.command("migrate")
@click.pass_context
def command(context: click.Context) -> None:
    """Apply every migration that is missing, in order. An embedded ClickHouse is migrated by its sink."""
    try:
        with closing(open_clickhouse(client_settings(context))) as clickhouse:
            done = migrate(clickhouse)
    except ClickHouseConnectorError as error:
        raise click.ClickException(str(error)) from error
    for file in done:
        click.echo(f"applied {file}")
    click.echo("ClickHouse is up to date")


def open_clickhouse(settings: Settings) -> ClickHouse:
    """A connection; an embedded engine's folder is made where there is none. Raises Unavailable, FolderInUse."""
    folder = settings.embedded_clickhouse
    if folder is not None:
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
    return ClickHouse(settings.clickhouse_url)
