"""Named steps at which a test can make a process crash.

The product's code knows nothing of them. When a role starts with ``CRASH_AT=sender.intent_saved:3``, the function
behind that name is wrapped, and its third hit kills the process as ``kill -9`` does: no handler runs, nothing is
flushed. Without the variable no function is wrapped.
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
"""Takes the place of a topic's name for ticks, which no record causes."""


class When(Enum):
    """When to crash: before the function is called, or after it has returned."""

    BEFORE = "before"
    AFTER = "after"


BEFORE, AFTER = When.BEFORE, When.AFTER


class UnknownPoint(Exception):
    """The variable names no crash point, or no hit."""


@dataclass(frozen=True, slots=True)
class Point:
    """One step.

    Args:
        name: Its name, ``role.step``.
        place: The function, as ``module:function`` or ``module:Class.method``.
        when: Whether to crash before or after the function.
        on: Count only hits while a record of this topic (or ``WAKE``) is handled; None: count all.
        hits: First and last hit from which a test chooses.
        outage: Whether the step happens only while the broker is down, or right after.
    """

    name: str
    place: str
    when: When
    on: str | None = None
    hits: tuple[int, int] = (1, 8)
    outage: bool = False

    @property
    def role(self) -> str:
        """The role that takes the step: person, sender, ingester or sink."""
        return self.name.partition(".")[0]


_PERSON_AGENT = "processors.person.agent:PersonAgent"
_DECISIONS = "processors.person.decision_runner:DecisionRunner"
_PERSON_TABLES = "processors.person.tables:PersonTables"
_DEAD_LETTERS = "processors.streaming.dead_letters:DeadLetters"
_TABLE = "processors.streaming.durable_table:DurableTable"
_PUBLISHER = "connectors.kafka.producer:KafkaPublisher"
_COMMIT = "faust.transport.consumer:ThreadDelegateConsumer._commit"
_RECOVERED = "processors.streaming.recovery:StageRecovery.on_recovery_completed"
_SENDER_AGENT = "processors.sender.agent:SenderAgent"
_ATTEMPTS = "processors.sender.attempt_runner:AttemptRunner"
_SENDER_TABLES = "processors.sender.tables:SenderTables"
_RECONCILER = "processors.sender.reconciler:Reconciler"
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
    yield Point("person.reading", f"{_PERSON_AGENT}.accept", BEFORE)
    yield Point("person.decoded", f"{_PERSON_AGENT}._decode", AFTER)
    yield Point("person.loaded", f"{_DECISIONS}._load", AFTER)
    yield Point("person.decided", f"{_DECISIONS}._decide", AFTER)
    # in the module that calls the function: it has a reference of its own
    yield Point("person.fenced", "processors.person.decision_runner:ensure_owned", AFTER)
    for kind, topic in _KINDS.items():
        some = _ONCE if kind in _RARE else (1, 8)
        yield Point(f"person.{kind}.saving", f"{_PERSON_TABLES}.save", BEFORE, topic, some)
        yield Point(f"person.{kind}.saved", f"{_PERSON_TABLES}.save", AFTER, topic, some)
        yield Point(f"person.{kind}.published", f"{_PUBLISHER}.publish", AFTER, topic, some)
    yield from _table("person")
    yield from _published("person")
    yield from _dead_lettered("person")
    yield Point("person.repartitioning", f"{_PERSON_AGENT}._repartition", BEFORE, hits=_ONCE)
    yield Point("person.repartitioned", f"{_PERSON_AGENT}._repartition", AFTER, hits=_ONCE)
    yield Point("person.ticking", "processors.person.wakeups:WakeUpRunner.tick", BEFORE)
    yield Point("person.waking_up", f"{_DECISIONS}.run_wake_up", BEFORE, hits=(1, 3))
    yield Point("person.wake_up_decided", f"{_DECISIONS}._decide_wake_up", AFTER, hits=(1, 3))
    yield Point("person.unscheduling", f"{_PERSON_TABLES}.unschedule", BEFORE, hits=(1, 3))
    yield Point("person.unscheduled", f"{_PERSON_TABLES}.unschedule", AFTER, hits=(1, 3))
    yield from _worker("person")


def _sender() -> Iterator[Point]:
    yield Point("sender.reading", f"{_SENDER_AGENT}.accept", BEFORE)
    yield Point("sender.decoded", f"{_SENDER_AGENT}._decode", AFTER)
    yield Point("sender.fenced", "processors.sender.attempt_runner:ensure_owned", AFTER)
    yield Point("sender.decided", "processors.core.sender.decide:decide_send", AFTER)
    yield Point("sender.refused", "processors.core.sender.decide:refuse_attempt", AFTER, hits=_ONCE)
    yield Point("sender.queueing", f"{_SENDER_TABLES}.save_queued", BEFORE)
    yield Point("sender.queued", f"{_SENDER_TABLES}.save_queued", AFTER)
    yield Point("sender.dequeueing", f"{_ATTEMPTS}.send_queued", BEFORE)
    yield Point("sender.intent_saving", f"{_SENDER_TABLES}.save_intent", BEFORE)
    yield Point("sender.intent_saved", f"{_SENDER_TABLES}.save_intent", AFTER)
    yield Point("sender.calling", f"{_ATTEMPTS}._call_twilio", BEFORE)
    yield Point("sender.checked", "processors.sender.final_check:FinalCheck.__call__", AFTER)
    yield Point("sender.written", "connectors.twilio.api.transport:GatedRequest.write_bytes", AFTER)
    yield Point("sender.response_read", "connectors.twilio.api.transport:Transport._exchange", AFTER)
    yield Point("sender.response_classified", "connectors.twilio.api.sender:TwilioSender.send", AFTER)
    yield Point("sender.called", f"{_ATTEMPTS}._call_twilio", AFTER)
    yield Point("sender.result_publishing", f"{_ATTEMPTS}._publish", BEFORE)
    yield Point("sender.unqueueing", f"{_SENDER_TABLES}.delete_queued", BEFORE)
    yield Point("sender.unqueued", f"{_SENDER_TABLES}.delete_queued", AFTER)
    yield Point("sender.looking_up", f"{_ATTEMPTS}._find", BEFORE, hits=(1, 3))
    yield Point("sender.looked_up", f"{_ATTEMPTS}._find", AFTER, hits=(1, 3))
    yield Point("sender.limits_saving", f"{_SENDER_TABLES}.save_limits", BEFORE, hits=(1, 3))
    yield Point("sender.limits_saved", f"{_SENDER_TABLES}.save_limits", AFTER, hits=(1, 3))
    yield from _table("sender")
    yield from _published("sender")
    yield from _dead_lettered("sender")
    yield Point("sender.ticking", "processors.sender.queue_runner:QueueRunner.tick", BEFORE)
    yield Point("sender.reconciling", f"{_RECONCILER}.round", BEFORE, hits=(1, 2))
    yield Point("sender.list_entries_publishing", f"{_RECONCILER}._publish_new", BEFORE, hits=(1, 2))
    yield Point("sender.list_entries_published", f"{_RECONCILER}._publish_new", AFTER, hits=(1, 2))
    yield from _worker("sender")


def _ingester() -> Iterator[Point]:
    yield Point("ingester.received", "connectors.twilio.webhooks.app:WebhookApp.respond", BEFORE)
    yield Point("ingester.status_read", "connectors.twilio.webhooks.handlers:Webhooks.status", AFTER)
    yield Point("ingester.inbound_read", "connectors.twilio.webhooks.handlers:Webhooks.inbound", AFTER, hits=(1, 2))
    yield Point("ingester.put", f"{_DELIVERY}.put", AFTER)
    yield from _published("ingester")
    yield Point("ingester.acknowledged", f"{_DELIVERY}._on_success", BEFORE)
    yield Point("ingester.answered", f"{_DELIVERY}._on_success", AFTER)
    yield Point("ingester.giving_up", f"{_DELIVERY}._give_up", BEFORE, hits=_ONCE, outage=True)
    yield Point("ingester.spooling", f"{_SPOOL}.append", AFTER, hits=(1, 3), outage=True)
    yield Point("ingester.spool_committing", f"{_SPOOL}.commit", BEFORE, hits=(3, 6), outage=True)
    yield Point("ingester.spool_committed", f"{_SPOOL}.commit", AFTER, hits=(3, 6), outage=True)
    yield Point("ingester.spooled", f"{_DELIVERY}._spooled", AFTER, hits=(1, 3), outage=True)
    yield Point("ingester.spool_deleting", f"{_SPOOL}.delete", BEFORE, hits=_ONCE, outage=True)
    yield Point("ingester.spool_deleted", f"{_SPOOL}.delete", AFTER, hits=_ONCE, outage=True)


def _sink() -> Iterator[Point]:
    some = (1, 2)
    yield Point("sink.polled", f"{_SINK}._store", BEFORE, hits=some)
    yield Point("sink.sorted", f"{_SINK}._sort", AFTER, hits=some)
    yield Point("sink.dead_lettering", f"{_PUBLISHER}.publish", BEFORE, hits=_ONCE)
    yield Point("sink.dead_lettered", f"{_PUBLISHER}.publish", AFTER, hits=_ONCE)
    yield Point("sink.inserting", "connectors.clickhouse.client:ClickHouse.insert", BEFORE, hits=some)
    yield Point("sink.inserted", "connectors.clickhouse.client:ClickHouse.insert", AFTER, hits=some)
    yield Point("sink.committing", f"{_SINK}._commit", BEFORE, hits=some)
    yield Point("sink.committed", f"{_SINK}._commit", AFTER, hits=some)


def _table(role: str) -> Iterator[Point]:
    """The steps of one table write: sent to the changelog, acknowledged, applied to RocksDB."""
    yield Point(f"{role}.record_sent", f"{_TABLE}._send", AFTER)
    yield Point(f"{role}.record_acknowledged", f"{_TABLE}._acknowledged", BEFORE)
    yield Point(f"{role}.record_applied", f"{_TABLE}._apply", AFTER)


def _published(role: str) -> Iterator[Point]:
    yield Point(f"{role}.publishing", f"{_PUBLISHER}.publish", BEFORE)
    yield Point(f"{role}.handed_over", f"{_PUBLISHER}._produce", AFTER)
    yield Point(f"{role}.published", f"{_PUBLISHER}.publish", AFTER)


def _dead_lettered(role: str) -> Iterator[Point]:
    yield Point(f"{role}.dead_lettering", f"{_DEAD_LETTERS}.publish", BEFORE, hits=_ONCE)
    yield Point(f"{role}.dead_lettered", f"{_DEAD_LETTERS}.publish", AFTER, hits=_ONCE)


def _worker(role: str) -> Iterator[Point]:
    yield Point(f"{role}.acknowledging", "processors.streaming.ordered_acks:_acknowledge", BEFORE)
    yield Point(f"{role}.acknowledged", "processors.streaming.ordered_acks:_acknowledge", AFTER)
    yield Point(f"{role}.committing", _COMMIT, BEFORE, hits=(1, 2))
    yield Point(f"{role}.committed", _COMMIT, AFTER, hits=(1, 2))
    yield Point(f"{role}.recovering", _RECOVERED, BEFORE, hits=_ONCE)
    yield Point(f"{role}.recovered", _RECOVERED, AFTER, hits=_ONCE)


POINTS: Mapping[str, Point] = {
    point.name: point for points in (_person, _sender, _ingester, _sink) for point in points()
}


def arm(environ: Mapping[str, str] = os.environ) -> None:
    """Arm the point that the variable names, if it is set. To be called before a role is built.

    Raises:
        UnknownPoint: The variable names no point, or no hit.
    """
    if CRASH_VARIABLE not in environ:
        return
    name, _, hit = environ[CRASH_VARIABLE].partition(":")
    if name not in POINTS or not hit.isdecimal() or int(hit) < 1:
        raise UnknownPoint(
            f"{CRASH_VARIABLE}={environ[CRASH_VARIABLE]}: expected name:hit, with one of {', '.join(POINTS)}"
        )
    arm_at(POINTS[name], int(hit), _die)


def arm_at(point: Point, hit: int, die: Callable[[str], object]) -> None:
    """Wrap the point's function, so that hit number ``hit`` calls ``die`` with the point's name and the hit."""
    owner, name = find(point.place)
    count = 0

    def count_hit() -> None:
        nonlocal count
        if point.on is None or point.on == _handled():
            count += 1
            if count == hit:
                die(f"{point.name}:{hit}")

    setattr(owner, name, _wrapped(getattr(owner, name), count_hit, point.when))


def find(place: str) -> tuple[Any, str]:
    """The module or class that has a function, and the function's name in it.

    Raises:
        AttributeError: There is no such function.
    """
    module, _, path = place.partition(":")
    owner: Any = import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    getattr(owner, name)
    return owner, name


def _wrapped(function: Callable[..., Any], count_hit: Callable[[], None], when: When) -> Callable[..., Any]:
    @wraps(function)
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        if when is BEFORE:
            count_hit()
        result = function(*args, **kwargs)
        if when is AFTER:
            count_hit()
        return result

    @wraps(function)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        if when is BEFORE:
            count_hit()
        result = await function(*args, **kwargs)
        if when is AFTER:
            count_hit()
        return result

    return asynchronous if inspect.iscoroutinefunction(function) else synchronous


def _handled() -> str | None:
    """The topic of the record that is being handled, ``WAKE`` for a tick, else None."""
    from faust import current_event  # only the workers load Faust

    event = current_event()
    if event is None:
        return None
    return WAKE if event.message.offset < 0 else str(event.message.topic)


def _die(where: str) -> None:
    os.write(2, f"crash point {where}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
