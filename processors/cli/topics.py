"""``smsflow topics``: the registry's topics at the broker, and those behind the workers' tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import click

from connectors.kafka.admin import Drift, KafkaAdmin
from connectors.kafka.errors import KafkaConnectorError
from connectors.kafka.topic_reader import read_all
from processors.cli.record_view import trace_event_or_bytes
from processors.cli.time_option import PAST
from processors.wiring.command_settings import client_settings
from processors.wiring.factories import build_cluster, build_codec
from processors.wiring.topics import all_topics, apply_topics
from schemas.topics import BY_NAME, Topic


@click.group("topics")
def command() -> None:
    """Create the topics, show how they differ from the registry, read them."""


@command.command("apply")
@click.pass_context
def apply(context: click.Context) -> None:
    """Create what is missing and set what differs. Partition counts are never changed.

    With a Schema Registry, its compatibility is checked and every schema registered first.
    """
    settings = client_settings(context)
    try:
        build_codec(settings)
        done = apply_topics(settings)
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error
    for drift in done:
        click.echo(f"put right: {drift}")
    click.echo(f"{len(all_topics(settings.partitions))} topics are as the registry says")


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Topics and differences as one JSON object.")
@click.pass_context
def show(context: click.Context, *, as_json: bool) -> None:
    """Show every topic and how the broker's differ; exit status 1 if any does."""
    settings = client_settings(context)
    topics = all_topics(settings.partitions)
    try:
        drifts = KafkaAdmin(build_cluster(settings)).plan(topics, settings.replication)
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error
    click.echo(_json(topics, drifts) if as_json else _table(topics, drifts))
    if drifts:
        click.get_current_context().exit(1)


@command.command("read")
@click.argument("topic", metavar="TOPIC", type=click.Choice(sorted(BY_NAME)))
@click.option("--since", type=PAST, default="1d", show_default=True, help="How far back: 7d, or an instant.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record, bytes in hexadecimal.")
@click.pass_context
def read(context: click.Context, topic: str, since: datetime, *, as_json: bool) -> None:
    """Show a topic's records, a line each; of a dead letter, where it came from and why it is dead."""
    settings = client_settings(context)
    codec = build_codec(settings)
    try:
        for record in read_all(build_cluster(settings), [topic], since):
            step = trace_event_or_bytes(codec, record)
            whose = f", message_id={step.message_id}" if step.message_id else ""
            click.echo(step.json() if as_json else step.line() + whose)
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error


def _table(topics: Sequence[Topic], drifts: Sequence[Drift]) -> str:
    wrong = {drift.topic for drift in drifts}
    rows = [f"{'topic':40}  {'record':16}  {'key':9}  {'partitions':>10}  {'kept':>8}"]
    for topic in topics:
        mark = "  differs" if topic.name in wrong else ""
        kept = "compact" if topic.retention_ms is None else f"{topic.retention_ms // 86_400_000} d"
        rows.append(
            f"{topic.name:40}  {topic.record.__name__:16}  {topic.key:9}  {topic.partitions:10}  {kept:>8}{mark}"
        )
    return "\n".join([*rows, *("", *map(str, drifts)) * bool(drifts)])


def _json(topics: Sequence[Topic], drifts: Sequence[Drift]) -> str:
    shown = [
        {
            "name": topic.name,
            "key": topic.key,
            "record": topic.record.__name__,
            "partitions": topic.partitions,
            "retention_ms": topic.retention_ms,
            "cleanup_policy": topic.cleanup_policy,
            "dead_letter": topic.dead_letter,
        }
        for topic in topics
    ]
    return json.dumps({"topics": shown, "differences": [asdict(drift) for drift in drifts]}, indent=2)
