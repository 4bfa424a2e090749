"""``smsflow report``: costs and counts, from ClickHouse or from the sink that embeds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime

import click

from connectors.clickhouse.errors import ClickHouseConnectorError
from connectors.clickhouse.report_client import open_reports
from connectors.clickhouse.reports import GROUPINGS, By, Report, Reports
from processors.cli.tables import echo_pairs, echo_table
from processors.cli.time_option import PAST
from processors.settings.model import Settings
from processors.wiring.command_settings import client_settings, require
from schemas.json_values import json_value


@click.group("report")
def command() -> None:
    """Costs and counts from ClickHouse."""


@command.command("cost")
@click.option("--by", type=click.Choice(GROUPINGS), default="campaign", show_default=True)
@click.option("--since", type=PAST, default="7d", show_default=True, help="7d, 24h, or an instant.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row; amounts are decimal strings.")
@click.pass_context
def cost(context: click.Context, by: By, since: datetime, *, as_json: bool) -> None:
    """What was sent since then cost: estimated by our rate card, and billed by Twilio so far."""
    with _reports(client_settings(context)) as reports:
        report = reports.cost(by, since)
    if as_json:
        for row in report.dicts():
            click.echo(json.dumps(row, default=json_value))
    else:
        _echo_report(report)


@command.command("summary")
@click.option("--since", type=PAST, default="7d", show_default=True, help="7d, 24h, or an instant.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def summary(context: click.Context, since: datetime, *, as_json: bool) -> None:
    """Where the messages requested since then stand, and how long they waited for their call."""
    with _reports(client_settings(context)) as reports:
        figures = asdict(reports.summary(since)) | {"latency_ms": asdict(reports.latency(since))}
    if as_json:
        click.echo(json.dumps(figures, default=json_value))
    else:
        echo_pairs({name: _text(value) for name, value in figures.items()})


@contextmanager
def _reports(settings: Settings) -> Iterator[Reports]:
    if settings.embedded_clickhouse is not None:
        require(settings, "report", ["sink.url"])
    try:
        with open_reports(settings.clickhouse_url, settings.sink.url or "") as reports:
            yield reports
    except ClickHouseConnectorError as error:
        raise click.ClickException(str(error)) from error


def _echo_report(report: Report) -> None:
    kinds = zip(report.columns, report.kinds, strict=True)
    numeric = [column for column, kind in kinds if kind == "decimal" or column in ("messages", "unpriced", "segments")]
    rows = [[value if isinstance(value, (int, str)) else json_value(value) for value in row] for row in report.rows]
    echo_table(report.columns, rows, right=numeric)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items()) or "-"
    return str(value)
