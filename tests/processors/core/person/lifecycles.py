"""Messages as Twilio reports on them, honest and contradictory, and a person stage without a broker to report to.

The same number makes the same message. The stage is the real core: it loads what `message_id_needed` names, decides,
stores; it has no clock of its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from msgspec.structs import replace

from processors.core.person import decide as core
from processors.core.person.consent import empty_consent
from processors.core.person.decision import Decision, PersonInput, PersonState, SourceOffset
from processors.core.policy import Policy
from schemas.codec import Codec
from schemas.enums import MessageClass, Outcome
from schemas.records import AttemptResult, SendRequest, StatusChanged, TwilioCallback
from schemas.states import AttemptState, ConsentRecord, MessageState
from tests.builders import NOW, callback, policy, request, result

Report = tuple[str, int | None]
STORIES: tuple[tuple[Report, ...], ...] = (
    *((("queued", None), ("sent", None), ("delivered", None)),) * 8,
    (("sent", None), ("delivered", None), ("read", None)),
    (("queued", None), ("sent", None)),
    (("sent", None), ("undelivered", 30003)),
    (("queued", None), ("failed", 30001)),
    (("sent", None), ("undelivered", 30008), ("delivered", None)),  # what follows contradicts itself
    (("failed", 30001), ("undelivered", 30001), ("sent", None)),
    (("undelivered", 30003), ("undelivered", 30005), ("sent", None)),
    (("failed", 30001), ("undelivered", 30003), ("failed", 30008), ("delivered", None)),
    (("failed", 21610), ("delivered", None), ("sent", None)),
    (("canceled", None), ("scheduled", None), ("failed", 30008)),
    (("partially_delivered", None), ("something_new", None), ("something_newer", None), ("sent", None)),
)
OUTCOMES = (Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.UNKNOWN, None)
CLASSES = (MessageClass.TRANSACTIONAL, MessageClass.MARKETING, MessageClass.CONVERSATION)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What the stage reads about one message before any callback, and the callbacks."""

    before: tuple[SendRequest | AttemptResult, ...]
    callbacks: tuple[TwilioCallback, ...]


def lifecycle(number: int) -> Lifecycle:
    """Its answer may be lost, and one in five reports comes by Event Streams too, as another record."""
    random = Random(number)
    message_id, sid, person = f"m{number}", f"SM{number:032x}", f"+1212{2_000_000 + number // 2:07}"
    outcome = random.choice(OUTCOMES)
    before: list[SendRequest | AttemptResult] = [
        request(message_id=message_id, to=person, message_class=random.choice(CLASSES))
    ]
    if outcome is not None:
        named = {"message_id": message_id, "attempt_id": f"{message_id}/1", "person": person}
        before.append(result(**named, outcome=outcome, sid=sid if outcome is Outcome.ACCEPTED else None))
    callbacks = [
        callback(status, person=person, attempt_id=f"{message_id}/1", message_sid=sid, error_code=code)
        for status, code in random.choice(STORIES)
    ]
    streamed = [
        replace(report, idempotency_token="EZ", fields={"EventType": "com.twilio.messaging.message"})
        for report in callbacks
        if random.random() < 0.2
    ]
    return Lifecycle(tuple(before), (*callbacks, *streamed))


def shuffled(
    callbacks: Sequence[TwilioCallback], duplicates: float, seed: int, step: timedelta = timedelta()
) -> Iterator[TwilioCallback]:
    """All of them in a random order, that share of them again somewhere; each arrives ``step`` after the one before."""
    random = Random(seed)
    order = [*callbacks, *random.sample(callbacks, round(len(callbacks) * duplicates))]
    random.shuffle(order)
    for place, report in enumerate(order):
        yield replace(report, received_at=report.received_at + place * step) if step else report


@dataclass
class People:
    """The tables of a person stage, and how often each status event was published."""

    policy: Policy = field(default_factory=policy)
    now: datetime = NOW
    consents: dict[str, ConsentRecord] = field(default_factory=dict)
    messages: dict[str, MessageState] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)
    _offset: int = 0

    def hear(self, record: PersonInput) -> None:
        """One more record of the person's topics."""
        self._offset += 1
        number, needed = core.person_of(record), core.message_id_needed(record)
        known = self.messages.get(needed or "")
        person = PersonState(
            number,
            self.consents.get(number) or empty_consent(number),
            {known.message_id: known} if known is not None else {},
        )
        origin = SourceOffset(type(record).__name__, self._offset)
        self._apply(number, core.decide(record, person, origin, self.policy, self.now))

    def hear_all(self, records: Iterable[TwilioCallback]) -> None:
        """Callbacks, each at the time it arrives."""
        for record in records:
            self.now = record.received_at
            self.hear(record)

    def _apply(self, number: str, decision: Decision) -> None:
        if decision.consent is not None:
            self.consents[number] = decision.consent
        for message in decision.messages:
            self.messages[message.message_id] = message
        for outgoing in decision.records:
            if isinstance(outgoing.record, StatusChanged) and outgoing.record.status != "waiting":
                self.published[outgoing.record.event_id] += 1

    def digest(self, *, times: bool) -> str:
        """Of every state as it is stored, but for where its input was read; without ``times``, but for when as well."""
        codec, total = Codec(), hashlib.sha256()
        plain: Callable[[MessageState], MessageState] = _placeless if times else _timeless
        for _, message in sorted(self.messages.items()):
            total.update(codec.encode(plain(message)))
        for _, consent in sorted(self.consents.items()):
            total.update(codec.encode(consent if times else _silent(consent)))
        for event_id in sorted(self.published):
            total.update(event_id.encode())
        return total.hexdigest()


def _placeless(message: MessageState) -> MessageState:
    return replace(message, applied_offsets={})


def _timeless(message: MessageState) -> MessageState:
    return replace(
        message,
        applied_offsets={},
        status_reports=[replace(report, at=NOW) for report in message.status_reports],
        attempts=[_untimed(attempt) for attempt in message.attempts],
        updated_at=NOW,
        wake_at=message.wake_at and NOW,
        wait_since=message.wait_since and NOW,
        failed_at=message.failed_at and NOW,
    )


def _untimed(attempt: AttemptState) -> AttemptState:
    return replace(attempt, settled_at=attempt.settled_at and NOW)


def _silent(consent: ConsentRecord) -> ConsentRecord:
    in_any_order = sorted(consent.history, key=lambda entry: entry.source_id)
    return replace(consent, history=[replace(entry, occurred_at=NOW) for entry in in_any_order])
