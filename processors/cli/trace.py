"""``smsflow trace``: everything that happened to one message, in order, read from the topics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from connectors.clickhouse.errors import ClickHouseConnectorError
from connectors.clickhouse.report_client import open_reports
from connectors.kafka.errors import ReadError
from connectors.kafka.reader import read_all
from connectors.kafka.records import Record as Read
from processors.cli.parts import client_settings, cluster_of, codec_of
from processors.cli.times import PAST
from processors.core.events import split_attempt_id
from processors.partitions import partition_of
from processors.settings import Settings
from schemas import topics
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.records import DeadLetter

_PERSON_TOPICS = (
    topics.SMS_REQUESTS,
    topics.SMS_ATTEMPTS,
    topics.SMS_CALLBACKS,
    topics.SMS_HISTORY,
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


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. ``message_id`` is None where the record names only Twilio's SID."""

    at: datetime
    topic: str
    partition: int
    offset: int
    record: Any
    message_id: str | None

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "at": self.at,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "kind": type(self.record).__name__,
            "record": asdict(self.record),
        }

    def line(self) -> str:
        """For people: when, where, and what stands out."""
        told = ", ".join(f"{name}={value}" for name in _TOLD if (value := getattr(self.record, name, None)) is not None)
        place = f"{self.topic}/{self.partition}/{self.offset}"
        return f"{self.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"  {place:32}  {type(self.record).__name__:14}  {told}"


_TOLD = (
    "attempt", "to", "sender", "action", "outcome", "status", "reason", "code", "error_code", "sid", "message_sid",
    "segments", "price", "currency", "until", "detail",
)  # fmt: skip


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
        click.echo(json.dumps(step.as_json(), default=_plain) if as_json else step.line())


def _person_of(settings: Settings, message_id: str) -> str | None:
    """Whose message it is, if ClickHouse can say; without that every partition is read."""
    if settings.embedded_clickhouse is not None and settings.sink_url is None:
        return None
    try:
        with open_reports(settings.clickhouse_url, settings.sink_url or "") as reports:
            rows = reports.message(message_id).dicts()
    except ClickHouseConnectorError as error:
        click.echo(f"ClickHouse does not answer, so every partition is read ({error}); --to is quicker", err=True)
        return None
    return rows[0]["person"] if rows else None


def _steps(settings: Settings, message_id: str, to: str | None, since: datetime) -> Iterator[Step]:
    """The message's records; its SIDs, and so its callbacks and prices, are known from its other records."""
    by_sid = []
    sids = set()
    for step in _read(settings, codec_of(settings), to, since):
        if step.message_id == message_id:
            yield step
            sids.add(_sid(step.record))
        elif step.message_id is None:
            by_sid.append(step)
    yield from (step for step in by_sid if _sid(step.record) in sids - {None})


def _read(settings: Settings, codec: Codec, to: str | None, since: datetime) -> Iterator[Step]:
    """Every record that may be the message's: of its person's partition, and of all its senders' lanes."""
    own = None if to is None else {partition_of(to.encode(), settings.partitions)}
    lanes = [topic.name for topic in topics.SENDER_INPUTS]
    for names, chosen in (([topic.name for topic in _PERSON_TOPICS], own), ([*lanes, *_DEAD], None)):
        for read in read_all(cluster_of(settings), names, since, chosen):
            if chosen is None or to is None or read.key == to.encode():
                with suppress(DecodeError):  # then it has a dead letter, which is read too
                    yield _step(codec, read)


def _step(codec: Codec, read: Read) -> Step:
    record: Any = codec.decode(topics.BY_NAME[read.topic].record, read.value)
    message_id = _message_of(codec, record)
    if isinstance(record, DeadLetter):
        record = replace(record, key=None, value=None)  # bytes are of no use to a person
    return Step(read.timestamp, read.topic, read.partition, read.offset, record, message_id)


def _message_of(codec: Codec, record: Any) -> str | None:
    if isinstance(record, DeadLetter):
        return _buried(codec, record)
    if hasattr(record, "message_id"):
        return str(record.message_id)
    named = split_attempt_id(getattr(record, "attempt_id", None) or "")
    return named[0] if named else None


def _buried(codec: Codec, letter: DeadLetter) -> str:
    """The message a dead letter is about, or nothing where its bytes cannot be read."""
    try:
        return _message_of(codec, codec.decode(topics.BY_NAME[letter.topic].record, letter.value)) or ""
    except (DecodeError, KeyError):
        return ""


def _sid(record: Any) -> str | None:
    return getattr(record, "sid", None) or getattr(record, "message_sid", None)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)
