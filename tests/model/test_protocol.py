"""The send protocol under every interleaving hypothesis can think of: one person's messages, the person stage's real
core, and the smallest sender stage and Twilio that can misbehave.

Requests, repeats, answers that get lost, crashes before and after a call, commands read twice, callbacks late and
twice, STOP and START, retries and replays arrive in any order. The invariants are the product's promise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from processors.core import consent as consents
from processors.core import statuses
from processors.core.decision import BadRecord
from schemas.records import Action, Dispatch, Failed, Outcome, Record, SendRequest, Sent
from schemas.state import Phase
from tests.builders import NOW, PERSON, callback, inbound, request, result
from tests.processors.core.stage import Stage

MESSAGES = ("a", "b")
TERMINAL = ("delivered", "undelivered", "failed")
REFUSALS = (21211, 21610, 21611, 20429)


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


class Protocol(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.twilio = Twilio()
        self.commands: list[Dispatch] = []
        self.intents: set[str] = set()
        self.events: dict[str, Record] = {}
        self.stopped = False
        self.resend_allowed: set[str] = set()
        self.clock = 0
        self.dies_before_publishing = False

    # --- upstream, the person, the operator -------------------------------------------------------------------

    @rule(name=st.sampled_from(MESSAGES), resend=st.booleans(), later=st.booleans())
    def asks(self, name: str, resend: bool, later: bool) -> None:
        send_at = NOW + timedelta(minutes=5) if later else None
        self._feed(request(message_id=name, body=name, resend_if_unknown=resend, send_at=send_at))
        known = self.stage.messages[name]
        if known.request.resend_if_unknown:
            self.resend_allowed.add(name)

    @rule(name=st.sampled_from(MESSAGES), plan=st.sampled_from(("p1", "p2")))
    def replays(self, name: str, plan: str) -> None:
        if name in self.stage.messages:
            self._feed(replace(self.stage.messages[name].request, replay_id=plan))

    @initialize(name=st.sampled_from(MESSAGES), resend=st.booleans())
    def begins(self, name: str, resend: bool) -> None:
        self.asks(name, resend, later=False)

    @precondition(lambda self: self.clock < 3)
    @rule(word=st.sampled_from(("STOP", "START")), rarely=st.integers(0, 4))
    def texts_now_and_then(self, word: str, rarely: int) -> None:
        """A person who has said STOP ends most stories, so it happens late enough to meet every state."""
        if rarely == 0:
            self.texts(word)

    def texts(self, word: str) -> None:
        self.clock += 1
        sid = f"SM{self.clock:032d}"
        self._feed(inbound(word, message_sid=sid, received_at=NOW + timedelta(seconds=self.clock)))
        self.stopped = word == "STOP"

    # --- the sender stage and Twilio --------------------------------------------------------------------------

    @precondition(lambda self: self.commands)
    @rule(data=st.data())
    def sender_stage_handles_a_command(self, data: Any) -> None:
        command = data.draw(st.sampled_from(self.commands))
        if not data.draw(st.booleans(), "read again later"):
            self.commands.remove(command)
        if command.action is Action.LOOK_UP:
            self._feed(self._found(command))
        elif command.attempt_id in self.intents:
            self._feed(_answer(command, Outcome.UNKNOWN))
        else:
            self._call(command, data.draw(st.sampled_from(("answer", "lose", "refuse", "not_sent", "crash"))), data)

    def _call(self, command: Dispatch, how: str, data: Any) -> None:
        if self.stopped:
            how = "opted_out"
        if how != "opted_out":
            self.intents.add(command.attempt_id)
        if how == "answer":
            self._feed(_answer(command, Outcome.ACCEPTED, sid=self.twilio.create(command.attempt_id)))
        elif how == "lose":
            self.twilio.create(command.attempt_id)
            self._feed(_answer(command, Outcome.UNKNOWN))
        elif how == "refuse":
            self._feed(_answer(command, Outcome.REJECTED, code=data.draw(st.sampled_from(REFUSALS))))
        elif how == "crash":
            if data.draw(st.booleans(), "after the call"):
                self.twilio.create(command.attempt_id)
            self.commands.append(command)
        else:
            self._feed(_answer(command, Outcome.NOT_SENT, reason="rate_limited" if how == "not_sent" else how))

    def _found(self, command: Dispatch) -> Any:
        sid = self.twilio.accepted.get(command.attempt_id)
        if sid is None or sid not in self.twilio.visible:
            return _answer(command, Outcome.ABSENT)
        return _answer(command, Outcome.ACCEPTED, sid=sid)

    @precondition(lambda self: self.twilio.accepted)
    @rule(data=st.data(), status=st.sampled_from(("queued", "sent", *TERMINAL)))
    def twilio_calls_back(self, data: Any, status: str) -> None:
        attempt_id, sid = data.draw(st.sampled_from(sorted(self.twilio.accepted.items())))
        if status in TERMINAL:
            status = self.twilio.ended.setdefault(attempt_id, status)
        code = 30008 if status in ("failed", "undelivered") else None
        self._feed(callback(status, attempt_id=attempt_id, message_sid=sid, error_code=code))

    @precondition(lambda self: self.twilio.accepted)
    @rule(data=st.data())
    def a_message_shows_in_the_list(self, data: Any) -> None:
        self.twilio.visible.add(data.draw(st.sampled_from(sorted(self.twilio.accepted.values()))))

    # --- time and crashes -------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from((1, 10, 60)))
    def time_passes(self, minutes: int) -> None:
        self.stage.now += timedelta(minutes=minutes)
        self._take(self.stage.wake())

    @rule(count=st.integers(1, 6))
    def person_stage_crashes_and_reads_again(self, count: int) -> None:
        self._take(self.stage.crash_and_read_again(count))

    @rule()
    def person_stage_will_die_before_publishing(self) -> None:
        """What the next input decides is saved, but said only when the input is read again."""
        self.dies_before_publishing = True

    def teardown(self) -> None:
        for message in self.stage.messages.values():
            event(f"attempts: {len(message.attempts)}")
            event(f"phase: {message.phase}")

    def _feed(self, record: Any) -> None:
        try:
            said = self.stage.feed(record)
            if self.dies_before_publishing:
                self.dies_before_publishing = False
                said = self.stage.crash_and_read_again(1)
            self._take(said)
        except BadRecord as error:
            self.stage.log.pop()
            assert error.reason == "conflicting_message_id"
            assert isinstance(record, SendRequest)

    def _take(self, said: list[Record]) -> None:
        for record in said:
            event_id = getattr(record, "event_id", None)
            if event_id is not None:
                assert self.events.setdefault(event_id, record) == record, f"{event_id} said two things"
            if isinstance(record, Dispatch):
                assert not (self.stopped and record.action is Action.SEND and record.attempt_id not in self._issued())
                self.commands.append(record)

    def _issued(self) -> set[str]:
        return {command.attempt_id for command in self.commands} | self.intents

    # --- the promise ------------------------------------------------------------------------------------------

    @invariant()
    def never_twice(self) -> None:
        """At most one accepted attempt a message, unless its request or an operator allowed another."""
        accepted = Counter(attempt_id.rpartition("/")[0] for attempt_id in self.twilio.accepted)
        for name, count in accepted.items():
            allowed = 1 + len([r for r in self.stage.messages[name].replays if r.refused is None])
            assert count <= allowed or name in self.resend_allowed

    @invariant()
    def the_next_attempt_only_when_the_last_is_settled(self) -> None:
        for message in self.stage.messages.values():
            assert all(a.outcome not in (None, Outcome.UNKNOWN) for a in message.attempts[:-1])

    @invariant()
    def never_silent(self) -> None:
        """Every message has an end that was published, or waits under a name, or is being handled."""
        failed = {event.message_id for event in self.events.values() if isinstance(event, Failed)}
        sent = {event.message_id for event in self.events.values() if isinstance(event, Sent)}
        for name, message in self.stage.messages.items():
            if message.phase is Phase.FINISHED:
                assert name in failed | sent
            elif message.phase in (Phase.WAITING, Phase.UNKNOWN):
                assert message.wait_reason is not None
                assert message.wake_at is not None
            elif message.phase is Phase.ACCEPTED:
                assert name in sent

    @invariant()
    def no_dispatch_is_lost(self) -> None:
        for message in self.stage.messages.values():
            if message.phase is Phase.DISPATCHED:
                assert f"{message.message_id}/{len(message.attempts)}" in self._issued()

    @invariant()
    def a_delivered_message_stays_delivered(self) -> None:
        for message in self.stage.messages.values():
            if any(report.status in statuses.SUCCESSES for report in message.evidence):
                assert message.status in statuses.SUCCESSES
                assert message.phase is Phase.FINISHED

    @invariant()
    def the_newest_word_on_consent_holds(self) -> None:
        consent = self.stage.consents.get(PERSON)
        if consent is not None and not any(entry.channel == "twilio" for entry in consent.history):
            assert consents.opted_out(consent, None) is self.stopped


def _answer(command: Dispatch, outcome: Outcome, **changes: Any) -> Any:
    return result(
        attempt_id=command.attempt_id,
        message_id=command.message_id,
        attempt=command.attempt,
        action=command.action,
        outcome=outcome,
        intent_until=NOW + timedelta(seconds=5),
        **changes,
    )


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=300, stateful_step_count=40, deadline=None, print_blob=True)
