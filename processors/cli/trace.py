"""``smsflow trace``: the records of one message, in order, read from the topics."""

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
_DEAD_LETTER_TOPICS = tuple(name for topic in (*_PERSON_TOPICS, *topics.SENDER_INPUTS) if (name := topic.dead_letter))
_RANK = {
    topic.name: rank
    for rank, topic in enumerate(
        (topics.SMS_REQUESTS, *topics.SENDER_INPUTS, topics.SMS_ATTEMPTS, topics.SMS_SENT, topics.SMS_CALLBACKS)
    )
}
"""The order of records of one millisecond: causes before effects."""


@click.command("trace")
@click.argument("message_id")
@click.option("--to", help="The recipient's number: only its partition is read, which is quicker.")
@click.option("--since", type=PAST, default="7d", show_default=True, help="How far back: 7d, or an instant.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a record.")
@click.pass_context
def command(context: click.Context, message_id: str, to: str | None, since: datetime, *, as_json: bool) -> None:
    """Show everything that happened to one message, in order, straight from the topics."""
    settings = client_settings(context)
    try:
        to = to or _person_of(settings, message_id)
        events = sorted(
            _events(settings, message_id, to, since), key=lambda event: (event.at, _RANK.get(event.topic, 99))
        )
    except ReadError as error:
        raise click.ClickException(str(error)) from error
    if not events:
        raise click.ClickException(f"{message_id}: nothing known since {since:%Y-%m-%d %H:%M}Z; try --since 30d")
    for event in events:
        click.echo(event.json() if as_json else event.line())


def _person_of(settings: Settings, message_id: str) -> str | None:
    """The message's recipient from ClickHouse, or None if ClickHouse does not answer or does not know the message."""
    if settings.embedded_clickhouse is not None and settings.sink.url is None:
        return None
    try:
        with open_reports(settings.clickhouse_url, settings.sink.url or "") as reports:
            rows = reports.message(message_id).dicts()
    except ClickHouseConnectorError as error:
        click.echo(f"ClickHouse does not answer, so every partition is read ({error}); --to is quicker", err=True)
        return None
    return rows[0]["person"] if rows else None


def _events(settings: Settings, message_id: str, to: str | None, since: datetime) -> Iterator[TraceEvent]:
    """The message's records. Callbacks and prices may name only a SID; the other records say which SIDs are its own."""
    by_sid = []
    sids = set()
    for event in _read(settings, build_codec(settings), to, since):
        if event.message_id == message_id:
            yield event
            sids.add(_sid(event.record))
        elif event.message_id is None:
            by_sid.append(event)
    yield from (event for event in by_sid if _sid(event.record) in sids - {None})


def _read(settings: Settings, codec: Codec, to: str | None, since: datetime) -> Iterator[TraceEvent]:
    """Every record that may be the message's: of its person's partition, of all dispatch topics and dead letters."""
    own = None if to is None else {partition_of(to.encode(), settings.partitions)}
    lanes = [topic.name for topic in topics.SENDER_INPUTS]
    for names, chosen in (([topic.name for topic in _PERSON_TOPICS], own), ([*lanes, *_DEAD_LETTER_TOPICS], None)):
        for consumed in read_all(build_cluster(settings), names, since, chosen):
            if chosen is None or to is None or consumed.key == to.encode():
                with suppress(DecodeError):  # it has a dead letter, which is read too
                    yield _without_bytes(trace_event(codec, consumed))


def _without_bytes(event: TraceEvent) -> TraceEvent:
    """The event without the bytes of a dead letter: the record they came from is shown where it can be decoded."""
    if not isinstance(event.record, DeadLetter):
        return event
    return replace(event, record=structs.replace(event.record, key=None, value=None))


def _sid(record: Any) -> str | None:
    return getattr(record, "sid", None) or getattr(record, "message_sid", None)
