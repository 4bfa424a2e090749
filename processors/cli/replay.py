"""``smsflow replay``: a plan of what would be put back and why not, then the plan carried out, once."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.kafka.errors import KafkaConnectorError
from processors.cli.tables import echo_table
from processors.cli.time_option import PAST
from processors.core.replay import Filters, Plan, ReplayVerdict, plan_replay
from processors.replay.kafka import gather_facts, put_back, put_back_already
from processors.replay.plan_file import PlanFileError, dump_plan, parse_plan
from processors.wiring.command_settings import client_settings
from processors.wiring.factories import build_cluster, build_codec


@click.group("replay")
def command() -> None:
    """Send again what failed for a passing reason. What was accepted, is unknown or opted out is never sent."""


@command.command("plan")
@click.option("--reason", "reasons", multiple=True, help="Only failures of this reason; may be repeated.")
@click.option("--since", type=PAST, required=True, help="Failures since: 24h, 7d, or an instant.")
@click.option("--until", type=PAST, help="Failures before: 1h, or an instant.")
@click.option("--tenant", help="Only this tenant's messages.")
@click.option("--campaign", help="Only this campaign's messages.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the plan.")
@click.option("--json", "as_json", is_flag=True, help="The whole plan on the output.")
@click.pass_context
def make_plan(
    context: click.Context,
    reasons: tuple[str, ...],
    since: datetime,
    until: datetime | None,
    tenant: str | None,
    campaign: str | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Count what failed, by reason, and show what would happen to each. Changes nothing."""
    settings = client_settings(context)
    filters = Filters(since, until, frozenset(reasons), tenant, campaign)
    try:
        facts = gather_facts(build_cluster(settings), build_codec(settings), since)
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error
    plan = plan_replay(f"replay-{uuid.uuid4().hex[:12]}", facts, filters, datetime.now(UTC))
    if out is not None:
        out.write_text(dump_plan(plan), "utf-8")
    if as_json:
        click.echo(dump_plan(plan))
        return
    _echo_plan(plan)
    if out is not None:
        click.echo(f"\nwritten to {out}; carry it out: smsflow replay run {out}")


@command.command("run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rate", type=click.FloatRange(0.1, 10_000), default=10, show_default=True, help="Records per second.")
@click.pass_context
def run_plan(context: click.Context, file: Path, rate: float) -> None:
    """Put back what the plan says, slowly. What an earlier run put back is left out: twice changes nothing."""
    settings = client_settings(context)
    plan = _read(file)
    try:
        done = put_back_already(build_cluster(settings), plan)
        left = [entry for entry in plan.to_put_back() if str(entry.place) not in done]
        gone = asyncio.run(put_back(build_cluster(settings), build_codec(settings), plan, left, rate, click.echo))
    except KafkaConnectorError as error:
        raise click.ClickException(f"{error}\nrun it again: it continues where it stopped") from error
    click.echo(f"{len(left) - len(gone)} put back, {len(done)} were put back before, {len(gone)} are gone from Kafka")


@command.command("show")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def show_plan(context: click.Context, file: Path) -> None:
    """Show a plan, and how much of it has been carried out."""
    settings = client_settings(context)
    plan = _read(file)
    try:
        done = put_back_already(build_cluster(settings), plan)
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error
    _echo_plan(plan)
    click.echo(f"\n{len(done)} of {len(plan.to_put_back())} put back")


def _read(file: Path) -> Plan:
    try:
        return parse_plan(file.read_text("utf-8"))
    except PlanFileError as error:
        raise click.UsageError(f"{file}: {error}") from error


def _echo_plan(plan: Plan) -> None:
    click.echo(f"plan {plan.plan_id}: failures since {plan.filters.since:%Y-%m-%d %H:%M:%S}Z\n")
    counts = [
        (reason, verdict.value.replace("_", " "), count, why)
        for (reason, verdict, why), count in sorted(plan.counts().items())
    ]
    echo_table(("reason", "verdict", "count", "why"), counts, right=("count",))
    sends = sum(entry.verdict is ReplayVerdict.SEND for entry in plan.entries)
    click.echo(f"\n{len(plan.entries)} failures: {sends} to send, {len(plan.to_put_back()) - sends} to put back")
