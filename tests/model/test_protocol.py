"""The send protocol under the interleavings hypothesis can think of: long stories of two messages.

Requests, repeats, answers that get lost, crashes before and after a call, commands read twice, callbacks late and
twice, STOP and START, retries and replays arrive in any order. `test_exhaustive.py` tries all short ones.
"""

from __future__ import annotations

from typing import Any

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.protocol import HOWS, TERMINAL, How, Model

MESSAGES = ("a", "b")
STATUSES = ("queued", "sent", *TERMINAL)
CODES = (30003, 30005, 30008)
REFUSALS = (21211, 21610, 21611, 20429)


class Protocol(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    # --- upstream, the person, the operator -------------------------------------------------------------------

    @initialize(name=st.sampled_from(MESSAGES), resend=st.booleans())
    def begins(self, name: str, resend: bool) -> None:
        self.model.asks(name, resend=resend)

    @rule(name=st.sampled_from(MESSAGES), resend=st.booleans(), later=st.booleans())
    def asks(self, name: str, resend: bool, later: bool) -> None:
        self.model.asks(name, resend=resend, later=later)

    @rule(name=st.sampled_from(MESSAGES), plan=st.sampled_from(("p1", "p2")))
    def replays(self, name: str, plan: str) -> None:
        if name in self.model.stage.messages:
            self.model.replays(name, plan)

    @precondition(lambda self: self.model.texts_taken < 3)
    @rule(word=st.sampled_from(("STOP", "START")), rarely=st.integers(0, 4))
    def texts_now_and_then(self, word: str, rarely: int) -> None:
        """A person who has said STOP ends most stories, so it happens late enough to meet every state."""
        if rarely == 0:
            self.model.texts(word)

    # --- the sender stage and Twilio --------------------------------------------------------------------------

    @precondition(lambda self: self.model.commands)
    @rule(data=st.data(), again_later=st.booleans(), how=st.sampled_from(HOWS), code=st.sampled_from(REFUSALS))
    def sender_stage_handles_a_command(self, data: Any, again_later: bool, how: How, code: int) -> None:
        command = data.draw(st.sampled_from(self.model.commands))
        self.model.handles(command, how, again_later=again_later, code=code)

    @precondition(lambda self: self.model.twilio.accepted)
    @rule(data=st.data(), status=st.sampled_from(STATUSES), code=st.sampled_from(CODES), takes_back=st.booleans())
    def twilio_calls_back(self, data: Any, status: str, code: int, takes_back: bool) -> None:
        attempt_id = data.draw(st.sampled_from(sorted(self.model.twilio.accepted)))
        self.model.calls_back(attempt_id, status, code=code, takes_back=takes_back)

    @precondition(lambda self: self.model.twilio.accepted)
    @rule(data=st.data())
    def a_message_shows_in_the_list(self, data: Any) -> None:
        self.model.shows(data.draw(st.sampled_from(sorted(self.model.twilio.accepted.values()))))

    # --- time and crashes -------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from((1, 10, 60)))
    def time_passes(self, minutes: int) -> None:
        self.model.passes(minutes)

    @rule(count=st.integers(1, 6))
    def person_stage_crashes_and_reads_again(self, count: int) -> None:
        self.model.reads_again(count)

    @rule()
    def person_stage_will_die_before_publishing(self) -> None:
        self.model.will_die_before_publishing()

    @invariant()
    def the_promise_holds(self) -> None:
        self.model.check()

    def teardown(self) -> None:
        for message in self.model.stage.messages.values():
            event(f"attempts: {len(message.attempts)}")
            event(f"phase: {message.phase}")


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=300, stateful_step_count=40, deadline=None, print_blob=True)
