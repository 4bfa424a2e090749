"""``smsflow trace``: everything that happened to one message, in order, read from the topics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import click
from msgspec import structs

from connectors.clickhouse.errors import ClickHouseConnectorError
from connectors.clickhouse.report_client import open_reports
from connectors.kafka.errors import ReadError
from connectors.kafka.topic_reader import read_all
from processors.cli.record_view import TraceEvent, trace_event
from processors.cli.time_option import PAST
from processors.settings.model import Settings
from processors.streaming.partitioner import partition_of
from processors.wiring.command_settings import client_settings
from processors.wiring.factories import build_cluster, build_codec
from schemas import topics
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.records import DeadLetter

_PERSON_TOPICS = (
    topics.SMS_REQUESTS,
    topics.SMS_ATTEMPTS,
    topics.SMS_CALLBACKS,
    topics.SMS_LIST_ENTRIES,
    *topics.PUBLIC,
)
_DEAD = tuple(name for topic in (*_PERSON_TOPICS, *topics.SENDER_INPUTS) if (name := topic.dead_letter))
_RANK = {
    topic.name: rank
    for rank, topic in enumerate(
        (topics.SMS_REQUESTS, *topics.SENDER_INPUTS, topics.SMS_ATTEMPTS, topics.SMS_SENT, topics.SMS_CALLBACKS)
    )
}
"""Order among records of one millisecond: as one causes the next."""


@click.command("trace")
@click.argument("message_id")
@click.option("--to", help="The recipient's number: only their partition is read, which is quicker.")
@click.option("--since", type=PAST, default="7d", show_default=True, help="How far back: 7d, or an instant.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a step.")
@click.pass_context
def command(context: click.Context, message_id: str, to: str | None, since: datetime, *, as_json: bool) -> None:
    """Show everything that happened to one message, in order, straight from the topics."""
    settings = client_settings(context)
    try:
        to = to or _person_of(settings, message_id)
        steps = sorted(_steps(settings, message_id, to, since), key=lambda step: (step.at, _RANK.get(step.topic, 99)))
    except ReadError as error:
        raise click.ClickException(str(error)) from error
    if not steps:
        raise click.ClickException(f"{message_id}: nothing known since {since:%Y-%m-%d %H:%M}Z; try --since 30d")
    for step in steps:
        click.echo(step.json() if as_json else step.line())


def _person_of(settings: Settings, message_id: str) -> str | None:
    """Whose message it is, if ClickHouse can say; without that every partition is read."""
    if settings.embedded_clickhouse is not None and settings.sink.url is None:
        return None
    try:
        with open_reports(settings.clickhouse_url, settings.sink.url or "") as reports:
            rows = reports.message(message_id).dicts()
    except ClickHouseConnectorError as error:
        click.echo(f"ClickHouse does not answer, so every partition is read ({error}); --to is quicker", err=True)
        return None
    return rows[0]["person"] if rows else None


def _steps(settings: Settings, message_id: str, to: str | None, since: datetime) -> Iterator[TraceEvent]:
    """The message's records; its SIDs, and so its callbacks and prices, are known from its other records."""
    by_sid = []
    sids = set()
    for step in _read(settings, build_codec(settings), to, since):
        if step.message_id == message_id:
            yield step
            sids.add(_sid(step.record))
        elif step.message_id is None:
            by_sid.append(step)
    yield from (step for step in by_sid if _sid(step.record) in sids - {None})


def _read(settings: Settings, codec: Codec, to: str | None, since: datetime) -> Iterator[TraceEvent]:
    """Every record that may be the message's: of its person's partition, and of all its senders' lanes."""
    own = None if to is None else {partition_of(to.encode(), settings.partitions)}
    lanes = [topic.name for topic in topics.SENDER_INPUTS]
    for names, chosen in (([topic.name for topic in _PERSON_TOPICS], own), ([*lanes, *_DEAD], None)):
        for read in read_all(build_cluster(settings), names, since, chosen):
            if chosen is None or to is None or read.key == to.encode():
                with suppress(DecodeError):  # then it has a dead letter, which is read too
                    yield _without_bytes(trace_event(codec, read))


def _without_bytes(step: TraceEvent) -> TraceEvent:
    """What a dead letter holds is shown by its own record, where that can be read."""
    if not isinstance(step.record, DeadLetter):
        return step
    return replace(step, record=structs.replace(step.record, key=None, value=None))


def _sid(record: Any) -> str | None:
    return getattr(record, "sid", None) or getattr(record, "message_sid", None)
