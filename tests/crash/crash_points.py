"""The steps at which a process can die, each with a name, so that tests can make it die there.

Nothing of this stands in the code it is about. ``CRASH_AT=sender.marked:3`` wraps the one function behind that
name when a role starts, and the third passage kills the process as ``kill -9`` does: no handler runs, nothing is
flushed. Without the variable no function is touched.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from importlib import import_module
from typing import Any

from schemas.topics import SMS_ATTEMPTS, SMS_CALLBACKS, SMS_CONSENT, SMS_INBOUND, SMS_LIST_ENTRIES, SMS_REQUESTS

CRASH_VARIABLE = "CRASH_AT"
WAKE = "wake"
"""Stands for a topic's name where time is the event."""


class When(Enum):
    """When to die: before the function is called, or when it has returned."""

    BEFORE = "before"
    AFTER = "after"


BEFORE, AFTER = When.BEFORE, When.AFTER


class UnknownPoint(Exception):
    """The variable names no point of this release, or no passage of it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One step. ``place`` is ``module:function`` or ``module:Class.method``.

    ``on``: only while a record of this topic (or `WAKE`) is handled. ``passages``: which ones a test chooses from.
    ``outage``: the step is only taken while the broker is away, or right after.
    """

    name: str
    place: str
    moment: When
    on: str | None = None
    passages: tuple[int, int] = (1, 8)
    outage: bool = False

    @property
    def role(self) -> str:
        """Whose step it is: person, sender, ingester or sink."""
        return self.name.partition(".")[0]


_STAGE = "processors.person.agent:PersonAgent"
_WAKES = "processors.person.wakeups:PersonWakeUps"
_TABLES = "processors.person.tables:PersonTables"
_TABLE = "processors.streaming.durable_table:DurableTable"
_PUBLISHER = "connectors.kafka.producer:KafkaPublisher"
_COMMIT = "faust.transport.consumer:ThreadDelegateConsumer._commit"
_RECOVERED = "processors.streaming.recovery:StageRecovery.on_recovery_completed"
_SENDER = "processors.sender.agent:SenderAgent"
_MARKS = "processors.sender.tables:SenderTables"
_EXECUTOR = "processors.sender.executor:Executor"
_DELIVERY = "connectors.kafka.spool.publisher:SpoolingPublisher"
_SPOOL = "connectors.kafka.spool.sqlite_file:SpoolFile"
_SINK = "connectors.clickhouse.sink:Sink"
_ONCE = (1, 1)
_KINDS = {
    "request": SMS_REQUESTS.name,
    "answer": SMS_ATTEMPTS.name,
    "callback": SMS_CALLBACKS.name,
    "listed": SMS_LIST_ENTRIES.name,
    "stop": SMS_INBOUND.name,
    "consent": SMS_CONSENT.name,
    WAKE: WAKE,
}
_RARE = ("stop", "consent")


def _person() -> Iterator[Point]:
    yield Point("person.reading", f"{_STAGE}.accept", BEFORE)
    yield Point("person.decoded", f"{_STAGE}._decoded", AFTER)
    yield Point("person.loaded", f"{_STAGE}._loaded", AFTER)
    yield Point("person.decided", f"{_STAGE}._decided", AFTER)
    yield Point("person.fenced", "processors.person.dependencies:ensure_owned", AFTER)
    for kind, topic in _KINDS.items():
        some = _ONCE if kind in _RARE else (1, 8)
        yield Point(f"person.{kind}.saving", f"{_TABLES}.save", BEFORE, topic, some)
        yield Point(f"person.{kind}.saved", f"{_TABLES}.save", AFTER, topic, some)
        yield Point(f"person.{kind}.published", f"{_PUBLISHER}.publish", AFTER, topic, some)
    yield from _table("person")
    yield from _published("person")
    yield Point("person.burying", f"{_STAGE}._bury", BEFORE, passages=_ONCE)
    yield Point("person.buried", f"{_STAGE}._bury", AFTER, passages=_ONCE)
    yield Point("person.putting_back", f"{_STAGE}._put_back", BEFORE, passages=_ONCE)
    yield Point("person.put_back", f"{_STAGE}._put_back", AFTER, passages=_ONCE)
    yield Point("person.ticking", f"{_WAKES}.tick", BEFORE)
    yield Point("person.waking", f"{_WAKES}._wake", BEFORE, passages=(1, 3))
    yield Point("person.woken", f"{_WAKES}._decided", AFTER, passages=(1, 3))
    yield Point("person.unscheduling", f"{_TABLES}.unschedule", BEFORE, passages=(1, 3))
    yield Point("person.unscheduled", f"{_TABLES}.unschedule", AFTER, passages=(1, 3))
    yield from _worker("person")


def _sender() -> Iterator[Point]:
    yield Point("sender.reading", f"{_SENDER}.accept", BEFORE)
    yield Point("sender.decoded", f"{_SENDER}._step", BEFORE)
    yield Point("sender.fenced", f"{_SENDER}._fenced", AFTER)
    yield Point("sender.judged", "processors.core.sender.decide:decide_command", AFTER)
    yield Point("sender.refused", "processors.core.sender.decide:refuse_attempt", AFTER, passages=_ONCE)
    yield Point("sender.queueing", f"{_MARKS}.queue", BEFORE)
    yield Point("sender.queued", f"{_MARKS}.queue", AFTER)
    yield Point("sender.taking_up", f"{_SENDER}._resume", BEFORE)
    yield Point("sender.marking", f"{_MARKS}.mark", BEFORE)
    yield Point("sender.marked", f"{_MARKS}.mark", AFTER)
    yield Point("sender.calling", f"{_EXECUTOR}.call", BEFORE)
    yield Point("sender.checked", "connectors.twilio.api.sender:_Gate.__call__", AFTER)
    yield Point("sender.written", "connectors.twilio.api.transport:GatedRequest.write_bytes", AFTER)
    yield Point("sender.answer_read", "connectors.twilio.api.transport:Transport._exchange", AFTER)
    yield Point("sender.answer_judged", "connectors.twilio.api.sender:TwilioSender.send", AFTER)
    yield Point("sender.called", f"{_EXECUTOR}.call", AFTER)
    yield Point("sender.answering", f"{_SENDER}._answer", BEFORE)
    yield Point("sender.unqueueing", f"{_MARKS}.unqueue", BEFORE)
    yield Point("sender.unqueued", f"{_MARKS}.unqueue", AFTER)
    yield Point("sender.looking_up", f"{_EXECUTOR}.look_up", BEFORE, passages=(1, 3))
    yield Point("sender.looked_up", f"{_EXECUTOR}.look_up", AFTER, passages=(1, 3))
    yield Point("sender.saving_limits", f"{_MARKS}.save_limits", BEFORE, passages=(1, 3))
    yield Point("sender.saved_limits", f"{_MARKS}.save_limits", AFTER, passages=(1, 3))
    yield from _table("sender")
    yield from _published("sender")
    yield Point("sender.burying", f"{_SENDER}._bury", BEFORE, passages=_ONCE)
    yield Point("sender.buried", f"{_SENDER}._bury", AFTER, passages=_ONCE)
    yield Point("sender.ticking", f"{_SENDER}.tick", BEFORE)
    yield Point("sender.reconciling", "processors.sender.reconciler:Reconciler.round", BEFORE, passages=(1, 2))
    yield Point("sender.news", "processors.sender.reconciler:Reconciler._publish_news", BEFORE, passages=(1, 2))
    yield Point("sender.news_told", "processors.sender.reconciler:Reconciler._publish_news", AFTER, passages=(1, 2))
    yield from _worker("sender")


def _ingester() -> Iterator[Point]:
    yield Point("ingester.received", "connectors.twilio.webhooks.app:WebhookApp.respond", BEFORE)
    yield Point("ingester.status_read", "connectors.twilio.webhooks.handlers:Webhooks.status", AFTER)
    yield Point("ingester.inbound_read", "connectors.twilio.webhooks.handlers:Webhooks.inbound", AFTER, passages=(1, 2))
    yield Point("ingester.put", f"{_DELIVERY}.put", AFTER)
    yield from _published("ingester")
    yield Point("ingester.acknowledged", f"{_DELIVERY}._on_success", BEFORE)
    yield Point("ingester.answered", f"{_DELIVERY}._on_success", AFTER)
    yield Point("ingester.giving_up", f"{_DELIVERY}._give_up", BEFORE, passages=_ONCE, outage=True)
    yield Point("ingester.spooling", f"{_SPOOL}.append", AFTER, passages=(1, 3), outage=True)
    yield Point("ingester.spool_committing", f"{_SPOOL}.commit", BEFORE, passages=(3, 6), outage=True)
    yield Point("ingester.spool_committed", f"{_SPOOL}.commit", AFTER, passages=(3, 6), outage=True)
    yield Point("ingester.spooled", f"{_DELIVERY}._spooled", AFTER, passages=(1, 3), outage=True)
    yield Point("ingester.spool_deleting", f"{_SPOOL}.delete", BEFORE, passages=_ONCE, outage=True)
    yield Point("ingester.spool_deleted", f"{_SPOOL}.delete", AFTER, passages=_ONCE, outage=True)


def _sink() -> Iterator[Point]:
    some = (1, 2)
    yield Point("sink.polled", f"{_SINK}._store", BEFORE, passages=some)
    yield Point("sink.sorted", f"{_SINK}._sort", AFTER, passages=some)
    yield Point("sink.burying", f"{_PUBLISHER}.publish", BEFORE, passages=_ONCE)
    yield Point("sink.buried", f"{_PUBLISHER}.publish", AFTER, passages=_ONCE)
    yield Point("sink.inserting", "connectors.clickhouse.client:ClickHouse.insert", BEFORE, passages=some)
    yield Point("sink.inserted", "connectors.clickhouse.client:ClickHouse.insert", AFTER, passages=some)
    yield Point("sink.committing", f"{_SINK}._commit", BEFORE, passages=some)
    yield Point("sink.committed", f"{_SINK}._commit", AFTER, passages=some)


def _table(role: str) -> Iterator[Point]:
    """One record of a table's write, on its way to the changelog and from there to RocksDB."""
    yield Point(f"{role}.record_sent", f"{_TABLE}._send", AFTER)
    yield Point(f"{role}.record_acknowledged", f"{_TABLE}._acknowledged", BEFORE)
    yield Point(f"{role}.record_applied", f"{_TABLE}._apply", AFTER)


def _published(role: str) -> Iterator[Point]:
    yield Point(f"{role}.publishing", f"{_PUBLISHER}.publish", BEFORE)
    yield Point(f"{role}.handed_over", f"{_PUBLISHER}._produced", AFTER)
    yield Point(f"{role}.published", f"{_PUBLISHER}.publish", AFTER)


def _worker(role: str) -> Iterator[Point]:
    yield Point(f"{role}.acknowledging", "processors.streaming.ordered_acks:_acknowledge", BEFORE)
    yield Point(f"{role}.acknowledged", "processors.streaming.ordered_acks:_acknowledge", AFTER)
    yield Point(f"{role}.committing", _COMMIT, BEFORE, passages=(1, 2))
    yield Point(f"{role}.committed", _COMMIT, AFTER, passages=(1, 2))
    yield Point(f"{role}.recovering", _RECOVERED, BEFORE, passages=_ONCE)
    yield Point(f"{role}.recovered", _RECOVERED, AFTER, passages=_ONCE)


POINTS: Mapping[str, Point] = {
    point.name: point for points in (_person, _sender, _ingester, _sink) for point in points()
}


def arm(environ: Mapping[str, str] = os.environ) -> None:
    """Do what the variable says, if it is set: to be called before a role is built. Raises UnknownPoint."""
    if CRASH_VARIABLE not in environ:
        return
    name, _, passage = environ[CRASH_VARIABLE].partition(":")
    if name not in POINTS or not passage.isdecimal() or int(passage) < 1:
        raise UnknownPoint(
            f"{CRASH_VARIABLE}={environ[CRASH_VARIABLE]}: expected name:passage, with one of {', '.join(POINTS)}"
        )
    arm_at(POINTS[name], int(passage), _die)


def arm_at(point: Point, passage: int, die: Callable[[str], object]) -> None:
    """Wrap the point's function: its nth passage calls ``die``."""
    owner, name = find(point.place)
    count = 0

    def pass_by() -> None:
        nonlocal count
        if point.on is None or point.on == _handled():
            count += 1
            if count == passage:
                die(f"{point.name}:{passage}")

    setattr(owner, name, _wrapped(getattr(owner, name), pass_by, point.moment))


def find(place: str) -> tuple[Any, str]:
    """Where a function is kept, and under which name. Raises AttributeError if it is not there any more."""
    module, _, path = place.partition(":")
    owner: Any = import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    getattr(owner, name)
    return owner, name


def _wrapped(function: Callable[..., Any], pass_by: Callable[[], None], moment: When) -> Callable[..., Any]:
    @wraps(function)
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        if moment is BEFORE:
            pass_by()
        result = function(*args, **kwargs)
        if moment is AFTER:
            pass_by()
        return result

    @wraps(function)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        if moment is BEFORE:
            pass_by()
        result = await function(*args, **kwargs)
        if moment is AFTER:
            pass_by()
        return result

    return asynchronous if inspect.iscoroutinefunction(function) else synchronous


def _handled() -> str | None:
    """The topic whose record is being handled here, `WAKE` for a tick, None outside of both."""
    from faust import current_event  # only the workers load Faust

    event = current_event()
    if event is None:
        return None
    return WAKE if event.message.offset < 0 else str(event.message.topic)


def _die(where: str) -> None:
    os.write(2, f"crash point {where}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
