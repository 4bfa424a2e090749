"""The person stage without a broker: feeds records to the core and keeps what it decides, as the shell does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from processors.core.person import decide as core
from processors.core.person.consent import empty_consent
from processors.core.person.decision import NO_SOURCE, Decision, PersonInput, PersonState, SourceOffset, WakeUp
from processors.core.policy import Policy
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
        """Handle one new record of the person's topics; what it makes the stage publish."""
        topic = type(record).__name__
        origin = NO_SOURCE if isinstance(record, WakeUp) else SourceOffset(topic, self._offsets[topic])
        self._offsets[topic] += 1
        if not isinstance(record, WakeUp):
            self.log.append((record, origin))
        return self._handle(record, origin)

    def crash_and_read_again(self, count: int) -> list[Record]:
        """Publish nothing of what the last inputs said, then read them again."""
        said: list[Record] = []
        for record, origin in self.log[len(self.log) - min(count, len(self.log)) :]:
            said += self._handle(record, origin)
        return said

    def wake(self) -> list[Record]:
        """Everything that is due, until nothing is."""
        said: list[Record] = []
        due = [m for m in self.messages.values() if m.wake_at is not None and m.wake_at <= self.now]
        for message in due:
            said += self.feed(WakeUp(message.request.to, message.message_id))
        return said

    def _handle(self, record: PersonInput, origin: SourceOffset) -> list[Record]:
        number = core.person_of(record)
        decision = core.decide(record, self._load(number), origin, self.policy, self.now)
        return self._apply(number, decision)

    def _load(self, number: str) -> PersonState:
        mine = {key: message for key, message in self.messages.items() if message.request.to == number}
        return PersonState(number, self.consents.get(number, empty_consent(number)), mine)

    def _apply(self, number: str, decision: Decision) -> list[Record]:
        if decision.consent is not None:
            self.consents[number] = decision.consent
        for message in decision.messages:
            self.messages[message.message_id] = message
        said = [outgoing.record for outgoing in decision.records]
        self.published += said
        return said

    def said(self, kind: type[R]) -> list[R]:
        """All published records of one kind."""
        return [record for record in self.published if isinstance(record, kind)]


def stage_with(request: SendRequest | None = None, **changes: Any) -> Stage:
    """A stage that has taken one request."""
    stage = Stage()
    stage.feed(request or builders.request(**changes))
    return stage


def only(records: list[Any], kind: type[R]) -> R:
    """The one record of this kind."""
    found = [record for record in records if isinstance(record, kind)]
    assert len(found) == 1, records
    return found[0]


def dispatches(records: list[Record]) -> list[str]:
    return [record.attempt_id for record in records if isinstance(record, Dispatch)]
