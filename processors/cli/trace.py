"""``smsflow trace``: everything that happened to one message, in order, read from the topics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from connectors.kafka.errors import ReadError
from connectors.kafka.reader import read_all
from connectors.kafka.records import Record as Read
from processors.cli.parts import client_settings, codec_of
from processors.cli.times import PAST
from processors.core.events import split_attempt_id
from processors.partitions import partition_of
from processors.settings import Settings
from schemas import topics
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.records import DeadLetter, SendRequest

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
    """One thing that happened."""

    at: datetime
    topic: str
    partition: int
    offset: int
    record: Any

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
        steps = sorted(_steps(settings, message_id, to, since), key=lambda step: (step.at, _RANK.get(step.topic, 99)))
    except ReadError as error:
        raise click.ClickException(str(error)) from error
    if not steps:
        raise click.ClickException(f"{message_id}: nothing known since {since:%Y-%m-%d %H:%M}Z; try --since 30d")
    for step in steps:
        click.echo(json.dumps(step.as_json(), default=_plain) if as_json else step.line())


def _steps(settings: Settings, message_id: str, to: str | None, since: datetime) -> Iterator[Step]:
    """The message's records; its SIDs, and so its callbacks and prices, are known from its other records."""
    codec = codec_of(settings)
    found, by_sid = [], []
    for step in _read(settings, codec, to, since):
        names = _message_of(step.record)
        if names == message_id:
            found.append(step)
        elif names is None:
            by_sid.append(step)
    yield from found
    sids = {sid for step in found if (sid := _sid(step.record))}
    yield from (step for step in by_sid if _sid(step.record) in sids)


def _read(settings: Settings, codec: Codec, to: str | None, since: datetime) -> Iterator[Step]:
    partitions = None if to is None else {partition_of(to.encode(), settings.partitions)}
    mine = [topic.name for topic in _PERSON_TOPICS]
    others = [*(topic.name for topic in topics.SENDER_INPUTS), *_DEAD]
    for names, chosen in ((mine, partitions), (others, None)):
        for read in read_all(settings.broker, names, since, chosen):
            if to is None or chosen is None or read.key == to.encode():
                yield from _step(codec, read)


def _step(codec: Codec, read: Read) -> Iterator[Step]:
    try:
        record = codec.decode(topics.BY_NAME[read.topic].record, read.value)
    except DecodeError:
        return  # it has a dead letter, which is read too
    yield Step(read.timestamp, read.topic, read.partition, read.offset, _opened(codec, record))


def _opened(codec: Codec, record: Any) -> Any:
    """A dead letter shown by what it holds, where that can be read; its bytes are of no use to a person."""
    return (
        replace(record, value=None, key=None, detail=_named(codec, record))
        if isinstance(record, DeadLetter)
        else record
    )


def _named(codec: Codec, letter: DeadLetter) -> str:
    if letter.topic != topics.SMS_REQUESTS.name:
        return letter.detail
    try:
        return f"{letter.detail} [message_id {codec.decode(SendRequest, letter.value).message_id}]"
    except DecodeError:
        return letter.detail


def _message_of(record: Any) -> str | None:
    """The message a record names, or None if it names only a SID."""
    if isinstance(record, DeadLetter):
        return record.detail.rpartition("[message_id ")[2].removesuffix("]") if "[message_id " in record.detail else ""
    message_id = getattr(record, "message_id", None)
    if message_id is not None:
        return str(message_id)
    named = split_attempt_id(getattr(record, "attempt_id", None) or "")
    return named[0] if named else None


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
