"""``smsflow topics``: the registry's topics at the broker, and the changelogs of the workers' tables."""

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
from processors.cli.tables import echo_table
from processors.cli.time_option import PAST
from processors.wiring.command_settings import client_settings
from processors.wiring.factories import build_cluster, build_codec
from processors.wiring.topics import all_topics, apply_topics
from schemas.topics import BY_NAME, DAY_MS, Topic


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
        click.echo(f"corrected: {drift}")
    click.echo(f"{len(all_topics(settings.partitions))} topics are as the registry says")


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Topics and differences as one JSON object.")
@click.pass_context
def show_topics(context: click.Context, *, as_json: bool) -> None:
    """Show every topic and how the broker's differ; exit status 1 if any does."""
    settings = client_settings(context)
    topics = all_topics(settings.partitions)
    try:
        drifts = KafkaAdmin(build_cluster(settings)).plan(topics, settings.replication)
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(_json(topics, drifts))
    else:
        _echo_topics(topics, drifts)
    if drifts:
        context.exit(1)


@command.command("read")
@click.argument("topic", metavar="TOPIC", type=click.Choice(sorted(BY_NAME)))
@click.option("--since", type=PAST, default="1d", show_default=True, help="How far back: 7d, or an instant.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record, bytes in hexadecimal.")
@click.pass_context
def read(context: click.Context, topic: str, since: datetime, *, as_json: bool) -> None:
    """Show a topic's records, a line each; of a dead letter, where it came from and the reason."""
    settings = client_settings(context)
    codec = build_codec(settings)
    try:
        for record in read_all(build_cluster(settings), [topic], since):
            event = trace_event_or_bytes(codec, record)
            message_id = f", message_id={event.message_id}" if event.message_id else ""
            click.echo(event.json() if as_json else event.line() + message_id)
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error


def _echo_topics(topics: Sequence[Topic], drifts: Sequence[Drift]) -> None:
    different = {drift.topic for drift in drifts}
    rows = [
        (
            topic.name,
            topic.record.__name__,
            topic.key,
            topic.partitions,
            "compacted" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} d",
            "differs" if topic.name in different else "",
        )
        for topic in topics
    ]
    echo_table(("topic", "record", "key", "partitions", "retention", ""), rows, right=("partitions", "retention"))
    for line in ("", *map(str, drifts)) if drifts else ():
        click.echo(line)


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
