"""A person worker in a process of its own, with a core small enough to be read here.

A request becomes a finished message and one status event; one with ``send_at`` waits for it first. The body ``boom``
makes the decision fail. What a re-read record finds in the state is said again. Events name their worker as ``reason``.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace

from connectors.clock import SystemClock
from connectors.kafka.producer import KafkaPublisher
from processors.core.person.decision import Decision, OutgoingRecord, PersonInput, PersonState, SourceOffset, WakeUp
from processors.core.policy import Policy
from processors.person.app import create_person_app
from processors.person.dependencies import PersonPorts
from processors.streaming.app import AppConfig
from processors.streaming.worker import run_worker
from schemas.codec import Codec
from schemas.records import ConsentChange, SendRequest, StatusChanged
from schemas.states import ConsentRecord, ConsentScope, MessageState, Phase
from schemas.topics import SMS_STATUS

PARTITIONS = 4
SESSION_S, HEARTBEAT_S = 6.0, 1.0
POLICY = cast(Policy, SimpleNamespace(timing=SimpleNamespace(message_window=timedelta(days=1))))


def decide(record: PersonInput, person: PersonState, origin: SourceOffset, policy: Policy, now: datetime) -> Decision:
    """See the module."""
    match record:
        case SendRequest():
            return _requested(record, person, origin, now)
        case WakeUp():
            return _woken(person.messages.get(record.message_id), now)
        case ConsentChange():
            return _consented(record, person)
        case _:
            return Decision()


def _requested(request: SendRequest, person: PersonState, origin: SourceOffset, now: datetime) -> Decision:
    if request.body == "boom":
        raise ZeroDivisionError("boom")
    state = person.messages.get(request.message_id) or MessageState(
        message_id=request.message_id,
        phase=Phase.FINISHED if request.send_at is None else Phase.WAITING,
        request=request,
        request_hash="",
        deadline=now,
        wake_at=request.send_at,
        updated_at=now,
        applied_offsets={origin.topic: origin.offset},
    )
    return Decision(messages=(state,), records=(_said(state, state.phase),))


def _woken(state: MessageState | None, now: datetime) -> Decision:
    if state is None:
        return Decision()
    woken = replace(state, phase=Phase.FINISHED, wake_at=None, updated_at=now)
    return Decision(messages=(woken,), records=(_said(woken, "woken"),))


def _consented(change: ConsentChange, person: PersonState) -> Decision:
    scope = ConsentScope(
        scope=change.scope,
        state=change.state,
        channel=change.channel,
        source_id=change.change_id,
        occurred_at=change.occurred_at,
    )
    return Decision(consent=ConsentRecord(person=person.number, history=[*person.consent.history, scope]))


def _said(state: MessageState, status: str) -> OutgoingRecord:
    request = state.request
    event = StatusChanged(
        event_id=f"{state.message_id}/{status}",
        message_id=state.message_id,
        attempt=0,
        person=request.to,
        tenant=request.tenant,
        status=status,
        reason=os.environ.get("WORKER"),
        final=state.phase is Phase.FINISHED,
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return OutgoingRecord(SMS_STATUS, request.to, event)


def config(broker: str, data_dir: Path, instance: str, **changes: Any) -> AppConfig:
    """Short time-outs, few partitions."""
    return AppConfig(
        broker=broker,
        data_dir=data_dir,
        instance_id=instance,
        partitions=PARTITIONS,
        session_s=SESSION_S,
        heartbeat_s=HEARTBEAT_S,
        rebalance_s=15,
        **changes,
    )


def main(broker: str, data_dir: str, instance: str, in_flight: str) -> None:
    """Run until SIGTERM."""
    os.environ["WORKER"] = instance
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app = create_person_app(
        config(broker, Path(data_dir), instance, in_flight=int(in_flight)),
        PersonPorts(publisher=KafkaPublisher(broker), clock=SystemClock(), policy=POLICY, codec=Codec(), decide=decide),
    )
    run_worker(app)


if __name__ == "__main__":
    main(*sys.argv[1:])
