"""The person stage without a broker: gives records to the core and stores what the core decides, as the shell does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from processors.core.person import decide as core
from processors.core.person.consent import empty_consent
from processors.core.person.decision import NO_SOURCE, Decision, PersonInput, PersonState, SourceOffset, WakeUp
from processors.core.policy import Policy
from schemas.enums import Outcome
from schemas.records import Dispatch, Record, SendRequest
from schemas.states import ConsentRecord, MessageState
from tests import builders

R = TypeVar("R")


@dataclass
class Stage:
    """One partition's tables, in memory."""

    policy: Policy = field(default_factory=builders.policy)
    now: datetime = builders.NOW
    consents: dict[str, ConsentRecord] = field(default_factory=dict)
    messages: dict[str, MessageState] = field(default_factory=dict)
    published: list[Record] = field(default_factory=list)
    log: list[tuple[PersonInput, SourceOffset]] = field(default_factory=list)
    _offsets: Counter[str] = field(default_factory=Counter)

    def feed(self, record: PersonInput) -> list[Record]:
        """Handle one new record of the person's topics. Returns what the stage publishes."""
        if isinstance(record, WakeUp):
            return self._handle(record, NO_SOURCE)
        topic = type(record).__name__
        source = SourceOffset(topic, self._offsets[topic])
        self._offsets[topic] += 1
        self.log.append((record, source))
        return self._handle(record, source)

    def crash_and_read_again(self, count: int) -> list[Record]:
        """Publish nothing of what the last inputs caused, then read those inputs again."""
        records: list[Record] = []
        for record, source in self.log[len(self.log) - min(count, len(self.log)) :]:
            records += self._handle(record, source)
        return records

    def wake(self) -> list[Record]:
        """Handle the wake-ups that are due."""
        records: list[Record] = []
        due = [m for m in self.messages.values() if m.wake_at is not None and m.wake_at <= self.now]
        for message in due:
            records += self.feed(WakeUp(message.request.to, message.message_id))
        return records

    def _handle(self, record: PersonInput, source: SourceOffset) -> list[Record]:
        number = core.person_of(record)
        decision = core.decide(record, self._load(number), source, self.policy, self.now)
        return self._apply(number, decision)

    def _load(self, number: str) -> PersonState:
        messages = {key: message for key, message in self.messages.items() if message.request.to == number}
        return PersonState(number, self.consents.get(number, empty_consent(number)), messages)

    def _apply(self, number: str, decision: Decision) -> list[Record]:
        if decision.consent is not None:
            self.consents[number] = decision.consent
        for message in decision.messages:
            self.messages[message.message_id] = message
        records = [outgoing.record for outgoing in decision.records]
        self.published += records
        return records

    def published_of(self, kind: type[R]) -> list[R]:
        """All published records of one kind."""
        return [record for record in self.published if isinstance(record, kind)]


def stage_with(request: SendRequest | None = None, **changes: Any) -> Stage:
    """A stage that has handled one request."""
    stage = Stage()
    stage.feed(request or builders.request(**changes))
    return stage


def stage_with_unknown_outcome(request: SendRequest | None = None) -> Stage:
    """A stage whose only message has one attempt with an unknown outcome."""
    stage = stage_with(request)
    stage.feed(builders.result(outcome=Outcome.UNKNOWN, intent_until=builders.NOW + builders.seconds(5)))
    return stage


def advance_to_wake_up(stage: Stage) -> list[Record]:
    """Move the clock to the wake-up of message ``m1``, and handle it."""
    wake_at = stage.messages["m1"].wake_at
    assert wake_at is not None
    stage.now = wake_at
    return stage.wake()


def only(records: list[Any], kind: type[R]) -> R:
    """The one record of this kind."""
    found = [record for record in records if isinstance(record, kind)]
    assert len(found) == 1, records
    return found[0]


def dispatches(records: list[Record]) -> list[str]:
    """The attempt ids of all commands."""
    return [record.attempt_id for record in records if isinstance(record, Dispatch)]
