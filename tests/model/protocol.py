"""The send protocol as a model: one person's messages, the person stage's real core, and the smallest sender stage and
Twilio that can misbehave. What may happen are methods; ``Model.check`` is the product's promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

from msgspec.structs import replace

from processors.core.person import consent as consents
from processors.core.person import statuses
from processors.core.person.decision import UnprocessableRecord
from schemas.enums import Action, Outcome
from schemas.records import Dispatch, Failed, Record, SendRequest, Sent, StatusChanged
from schemas.states import Phase
from tests.builders import NOW, PERSON, callback, inbound, request, result
from tests.processors.core.person.stage import Stage

TERMINAL = ("delivered", "undelivered", "failed")
How = Literal["answer", "lose", "refuse", "not_sent", "crash_before", "crash_after"]
"""What becomes of a call: answered, accepted with its answer lost, refused, not sent, or cut by the worker's death."""
HOWS: tuple[How, ...] = get_args(How)


@dataclass
class Twilio:
    """What Twilio accepted: attempt → SID. A message shows in the list only when it is made visible."""

    accepted: dict[str, str] = field(default_factory=dict)
    visible: set[str] = field(default_factory=set)
    ended: dict[str, str] = field(default_factory=dict)

    def create(self, attempt_id: str) -> str:
        assert attempt_id not in self.accepted, f"{attempt_id} was called twice"
        self.accepted[attempt_id] = "SM" + attempt_id.replace("/", "").rjust(32, "0")
        return self.accepted[attempt_id]


@dataclass
class Model:
    """``commands``: what the sender stage has still to read. ``events``: everything published, by id."""

    stage: Stage = field(default_factory=Stage)
    twilio: Twilio = field(default_factory=Twilio)
    commands: list[Dispatch] = field(default_factory=list)
    intents: set[str] = field(default_factory=set)
    events: dict[str, Record] = field(default_factory=dict)
    resend_allowed: set[str] = field(default_factory=set)
    called_back: dict[str, str] = field(default_factory=dict)
    ends: dict[str, tuple[int, int]] = field(default_factory=dict)
    stopped: bool = False
    texts_taken: int = 0
    dies_before_publishing: bool = False

    # --- upstream, the person, the operator ---

    def asks(self, name: str, *, resend: bool = False, later: bool = False) -> None:
        send_at = NOW + timedelta(minutes=5) if later else None
        self._feed(request(message_id=name, body=name, resend_if_unknown=resend, send_at=send_at))
        if self.stage.messages[name].request.resend_if_unknown:
            self.resend_allowed.add(name)

    def replays(self, name: str, plan: str) -> None:
        self._feed(replace(self.stage.messages[name].request, replay_id=plan))

    def texts(self, word: str) -> None:
        self.texts_taken += 1
        sid = f"SM{self.texts_taken:032d}"
        self._feed(inbound(word, message_sid=sid, received_at=NOW + timedelta(seconds=self.texts_taken)))
        self.stopped = word == "STOP"

    # --- the sender stage and Twilio ---

    def handles(self, command: Dispatch, how: How, *, again_later: bool = False, code: int = 21211) -> None:
        """The sender stage reads a command; ``again_later``: its acknowledgement is lost, so it reads it once more."""
        if not again_later:
            self.commands.remove(command)
        if command.action is Action.LOOK_UP:
            self._feed(self._found(command))
        elif command.attempt_id in self.intents:
            self._feed(answer(command, Outcome.UNKNOWN))
        elif self.stopped:
            self._feed(answer(command, Outcome.NOT_SENT, reason="opted_out"))
        else:
            self.intents.add(command.attempt_id)
            self._call(command, how, code)

    def _call(self, command: Dispatch, how: How, code: int) -> None:
        sid = self.twilio.create(command.attempt_id) if how in ("answer", "lose", "crash_after") else None
        if how == "answer":
            self._feed(answer(command, Outcome.ACCEPTED, sid=sid))
        elif how == "lose":
            self._feed(answer(command, Outcome.UNKNOWN))
        elif how == "refuse":
            self._feed(answer(command, Outcome.REJECTED, code=code))
        elif how == "not_sent":
            self._feed(answer(command, Outcome.NOT_SENT, reason="rate_limited"))
        else:
            self.commands.append(command)

    def _found(self, command: Dispatch) -> Any:
        sid = self.twilio.accepted.get(command.attempt_id)
        if sid is None or sid not in self.twilio.visible:
            return answer(command, Outcome.ABSENT)
        return answer(command, Outcome.ACCEPTED, sid=sid)

    def calls_back(self, attempt_id: str, status: str, *, code: int = 30008, takes_back: bool = False) -> None:
        """Twilio reports a status, perhaps late, again, or after a later one; it ends a message one way.

        But for carriers who take back what they records: then the ends contradict each other.
        """
        if status in TERMINAL and not takes_back:
            status = self.twilio.ended.setdefault(attempt_id, status)
        why = code if status in ("failed", "undelivered") else None
        sid = self.called_back[attempt_id] = self.twilio.accepted[attempt_id]
        reported_at = self.stage.now
        self._feed(callback(status, attempt_id=attempt_id, message_sid=sid, error_code=why, received_at=reported_at))

    def shows(self, sid: str) -> None:
        """From now on the message is in Twilio's list."""
        self.twilio.visible.add(sid)

    # --- time and crashes ---

    def passes(self, minutes: int) -> None:
        self.stage.now += timedelta(minutes=minutes)
        self._take(self.stage.wake())

    def reads_again(self, count: int) -> None:
        """The person stage crashes, and reads its last inputs once more."""
        self._take(self.stage.crash_and_read_again(count))

    def will_die_before_publishing(self) -> None:
        """What the next input decides is saved, but published only when the input is read again."""
        self.dies_before_publishing = True

    def _feed(self, record: Any) -> None:
        try:
            records = self.stage.feed(record)
            if self.dies_before_publishing:
                self.dies_before_publishing = False
                records = self.stage.crash_and_read_again(1)
            self._take(records)
        except UnprocessableRecord as error:
            self.stage.log.pop()
            assert error.reason == "conflicting_message_id"
            assert isinstance(record, SendRequest)

    def _take(self, records: list[Record]) -> None:
        for record in records:
            self._take_event(record)
            if isinstance(record, Dispatch):
                new = record.action is Action.SEND and record.attempt_id not in self.issued()
                assert not (self.stopped and new), f"{record.attempt_id} was dispatched after STOP"
                self.commands.append(record)

    def _take_event(self, record: Record) -> None:
        event_id = getattr(record, "event_id", None)
        if event_id is None:
            return
        if event_id not in self.events and isinstance(record, Failed):
            assert record.message_id not in self._published_as_delivered(), (
                f"{event_id} after its delivery was published"
            )
        assert self.events.setdefault(event_id, record) == record, f"{event_id} has two contents"

    def _published_as_delivered(self) -> set[str]:
        changes = (event for event in self.events.values() if isinstance(event, StatusChanged))
        return {event.message_id for event in changes if event.status in statuses.SUCCESSES}

    def issued(self) -> set[str]:
        return {command.attempt_id for command in self.commands} | self.intents

    # --- the promise ---

    def check(self) -> None:
        self.never_twice()
        self.the_next_attempt_only_when_the_last_is_settled()
        self.never_silent()
        self.no_dispatch_is_lost()
        self.evidence_settles()
        self.an_end_is_left_only_by_proof_or_replay()
        self.a_delivered_message_stays_delivered()
        self.the_newest_word_on_consent_holds()

    def never_twice(self) -> None:
        """At most one accepted attempt a message, unless its request allowed another."""
        accepted = Counter(attempt_id.rpartition("/")[0] for attempt_id in self.twilio.accepted)
        for name, count in accepted.items():
            assert count == 1 or name in self.resend_allowed, f"{name} was accepted {count} times"

    def the_next_attempt_only_when_the_last_is_settled(self) -> None:
        for message in self.stage.messages.values():
            open_ = [a.attempt for a in message.attempts[:-1] if a.outcome in (None, Outcome.UNKNOWN)]
            assert not open_, f"{message.message_id}: attempts {open_} are open, and there is a next one"

    def never_silent(self) -> None:
        """Every message has an end that was published, or waits under a name, or is being handled."""
        failed = {event.message_id for event in self.events.values() if isinstance(event, Failed)}
        sent = {event.message_id for event in self.events.values() if isinstance(event, Sent)}
        for name, message in self.stage.messages.items():
            if message.phase is Phase.FINISHED:
                assert name in failed | sent, f"{name} ended silently"
            elif message.phase in (Phase.WAITING, Phase.UNKNOWN):
                assert None not in (message.wait_reason, message.wake_at), f"{name} waits without a name or an end"
            elif message.phase is Phase.ACCEPTED:
                assert name in sent, f"{name} was sent silently"

    def no_dispatch_is_lost(self) -> None:
        for message in self.stage.messages.values():
            if message.phase is Phase.DISPATCHED:
                attempt_id = f"{message.message_id}/{len(message.attempts)}"
                assert attempt_id in self.issued(), f"the dispatch of {attempt_id} was lost"

    def evidence_settles(self) -> None:
        """What Twilio called back about, it has accepted, whatever was believed before."""
        for attempt_id, sid in self.called_back.items():
            name, _, number = attempt_id.rpartition("/")
            attempt = self.stage.messages[name].attempts[int(number) - 1]
            assert (attempt.outcome, attempt.sid) == (Outcome.ACCEPTED, sid), f"{attempt_id} is not settled"

    def an_end_is_left_only_by_proof_or_replay(self) -> None:
        """A message that ended begins again only by a replay, or because Twilio turns out to have it."""
        for name, message in self.stage.messages.items():
            permitted = sum(one.refused is None for one in message.replays)
            proven = sum(one.outcome is Outcome.ACCEPTED for one in message.attempts)
            before = self.ends.get(name)
            if message.phase is Phase.FINISHED:
                self.ends[name] = permitted, proven
            elif before is not None:
                assert permitted > before[0] or proven > before[1], f"{name} had ended"
                del self.ends[name]

    def a_delivered_message_stays_delivered(self) -> None:
        for message in self.stage.messages.values():
            if any(report.status in statuses.SUCCESSES for report in message.status_reports):
                delivered = message.status in statuses.SUCCESSES and message.phase is Phase.FINISHED
                assert delivered, f"{message.message_id} was delivered and is {message.status}"

    def the_newest_word_on_consent_holds(self) -> None:
        consent = self.stage.consents.get(PERSON)
        if consent is not None and not any(entry.channel == "twilio" for entry in consent.history):
            assert consents.is_opted_out(consent, None) is self.stopped

    # --- for who explores ---

    def copied(self) -> Model:
        """The same state on its own: records and states are values and are shared."""
        new = copy(self)
        for name in ("commands", "intents", "events", "resend_allowed", "called_back", "ends"):
            setattr(new, name, copy(getattr(self, name)))
        new.twilio = Twilio(dict(self.twilio.accepted), set(self.twilio.visible), dict(self.twilio.ended))
        new.stage = copy(self.stage)
        for name in ("consents", "messages", "log", "_offsets"):
            setattr(new.stage, name, copy(getattr(self.stage, name)))
        new.stage.published = []
        return new

    def key(self) -> tuple[object, ...]:
        """Two models with one key go on alike."""
        return tuple(self._parts())

    def _parts(self) -> Iterator[object]:
        yield repr([*self.stage.messages.values(), *self.stage.consents.values()])
        yield [(command.attempt_id, command.action) for command in self.commands].__repr__()
        yield repr((sorted(self.twilio.accepted), sorted(self.twilio.visible), sorted(self.twilio.ended.items())))
        yield repr((sorted(self.intents), sorted(self.called_back), self.ends, self.stopped, self.stage.now))
        yield repr([origin for _, origin in self.stage.log[-2:]]) + str(self.dies_before_publishing)
        yield frozenset(self.events)


def answer(command: Dispatch, outcome: Outcome, **changes: Any) -> Any:
    return result(
        attempt_id=command.attempt_id,
        message_id=command.message_id,
        attempt=command.attempt,
        action=command.action,
        outcome=outcome,
        intent_until=NOW + timedelta(seconds=5),
        **changes,
    )
