"""A doubt is settled by evidence, in order: a callback, Twilio's list, the message's own policy.

The person stage's core with the real sender, the real list reader and the ingester, before the simulator: what each of
them calls evidence is what the other takes for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.clock import ManualClock
from connectors.memory import MemoryPublisher
from connectors.simulator.clock import SteppedClock as SimulatorClock
from connectors.simulator.model.faults import Fault
from connectors.simulator.model.settings import CallbackFaults, OutcomeWeight
from connectors.simulator.server import Simulator
from connectors.twilio.api.account import TwilioAccount
from connectors.twilio.api.message_list import TwilioMessageList
from connectors.twilio.api.sender import TwilioSender
from connectors.twilio.webhooks.ingester import Ingester
from connectors.twilio.webhooks.options import IngesterOptions
from schemas.codec import Codec
from schemas.enums import Action
from schemas.records import Dispatch, Failed, Record, Sent, TwilioCallback
from tests.builders import NOW, PERSON, request
from tests.connectors.twilio.api.peer import unused_port
from tests.processors.core.person.stage import Stage

LOST = CallbackFaults(lost=1.0)
ALWAYS = (OutcomeWeight("delivered", None, 1.0),)


@dataclass
class Whole:
    """Everything but Kafka. ``done``: the commands, in order."""

    simulator: Simulator
    sender: TwilioSender
    history: TwilioMessageList
    publisher: MemoryPublisher
    clock: ManualClock
    stage: Stage = field(default_factory=Stage)
    done: list[Dispatch] = field(default_factory=list)
    _heard: int = 0

    async def ask(self, message_id: str, **changes: Any) -> None:
        await self._do(self.stage.feed(request(message_id=message_id, requested_at=self.stage.now, **changes)))

    async def passes(self, by: timedelta) -> None:
        """Let time pass, from one thing that is due to the next."""
        end = self.stage.now + by
        while self.stage.now < end:
            due = [message.wake_at for message in self.stage.messages.values() if message.wake_at is not None]
            await self._until(min([end, *(when for when in due if when > self.stage.now)]))

    async def _until(self, when: Any) -> None:
        self.clock.advance(when - self.stage.now)
        await self.simulator.advance(when - self.stage.now)
        self.stage.now = when
        callbacks = [Codec().decode(TwilioCallback, wire.value) for wire in self.publisher.on("sms-callbacks")]
        for callback in callbacks[self._heard :]:
            await self._do(self.stage.feed(callback))
        self._heard = len(callbacks)
        await self._do(self.stage.wake())

    async def _do(self, said: Sequence[Record]) -> None:
        """What the sender stage does with commands."""
        for command in said:
            if isinstance(command, Dispatch):
                self.done.append(command)
                looks = command.action is Action.LOOK_UP
                answer = await (self.history.find(command) if looks else self.sender.send(command, lambda: None))
                until = None if looks else self.stage.now + self.stage.policy.timing.intent_life
                called_at = None if looks else self.stage.now
                await self._do(self.stage.feed(replace(answer, intent_until=until, called_at=called_at)))

    def sids(self, message_id: str) -> list[str]:
        return [event.sid for event in self.stage.published_of(Sent) if event.message_id == message_id]

    def failures(self) -> dict[str, str]:
        return {event.message_id: event.reason for event in self.stage.published_of(Failed)}

    def accepted(self) -> list[str]:
        """SIDs in the simulator's ledger, by the attempt they belong to."""
        return [message.sid for message in self.simulator.twilio.store.order if message.kind == "api"]

    def look_ups(self) -> int:
        return sum(command.action is Action.LOOK_UP for command in self.done)


@asynccontextmanager
async def whole(**options: Any) -> AsyncIterator[Whole]:
    port, clock, publisher = unused_port(), ManualClock(NOW), MemoryPublisher()
    public = f"http://127.0.0.1:{port}"
    async with Simulator(clock=SimulatorClock(NOW), mix=ALWAYS, **options) as simulator:
        sid, token = simulator.account.sid, simulator.account.auth_token
        settings = IngesterOptions(public_url=public, auth_tokens=(token,))
        account = TwilioAccount(account_sid=sid, user=sid, secret=token, base_url=simulator.base_url, public_url=public)
        transport = account.transport()
        async with Ingester(settings, publisher, Codec(), clock).serving("127.0.0.1", port):
            sender, history = TwilioSender(account, transport, clock), TwilioMessageList(account, transport, clock, 2)
            try:
                yield Whole(simulator, sender, history, publisher, clock)
            finally:
                await transport.close()


def lose_answers(w: Whole, times: int = 1) -> None:
    w.simulator.faults.arm(Fault(name="accept_then_drop", times=times))


def lose_requests(w: Whole, times: int = 1) -> None:
    w.simulator.faults.arm(Fault(name="reset_before", times=times))


async def test_a_callback_settles_before_the_list_is_asked() -> None:
    async with whole() as w:
        lose_answers(w)
        await w.ask("m1")
        assert w.sids("m1") == []
        await w.passes(timedelta(hours=1))

        assert (w.sids("m1"), w.look_ups(), w.failures()) == (w.accepted(), 0, {})
        assert w.stage.messages["m1"].status == "delivered"


async def test_without_a_callback_the_list_settles() -> None:
    async with whole(callback_faults=LOST) as w:
        lose_answers(w)
        await w.ask("m1")
        await w.passes(timedelta(hours=1))

        assert (w.sids("m1"), w.look_ups(), w.failures()) == (w.accepted(), 1, {})


async def test_a_list_that_does_not_show_the_message_yet_is_asked_again() -> None:
    async with whole(callback_faults=LOST, list_delay=timedelta(minutes=4)) as w:
        lose_answers(w)
        await w.ask("m1")
        await w.passes(timedelta(hours=1))

        assert w.look_ups() == 3
        assert w.sids("m1") == w.accepted()
        assert [command.attempt for command in w.done] == [1] * 4


async def test_the_message_is_found_on_a_later_page_among_the_persons_others() -> None:
    """Two rows a page; the others are of the same person, sender and minute."""
    async with whole(callback_faults=LOST) as w:
        lose_answers(w)
        await w.ask("m1")
        for number in range(5):
            await w.ask(f"other-{number}", body=f"another text, number {number}")
        await w.passes(timedelta(hours=1))

        assert w.sids("m1") == w.accepted()[:1]
        assert len(w.accepted()) == 6


async def test_what_another_attempt_has_claimed_is_not_taken() -> None:
    """The same text twice to one person: the first was answered, the second never arrived."""
    async with whole(callback_faults=LOST) as w:
        await w.ask("m1")
        lose_requests(w)
        await w.ask("m2")
        await w.passes(timedelta(hours=1))

        assert w.sids("m1") == w.accepted()
        assert (w.sids("m2"), w.failures()) == ([], {"m2": "outcome_unknown"})


@pytest.mark.parametrize(
    ("changes", "failures", "attempts"),
    [
        ({}, {"m1": "outcome_unknown"}, [1]),
        ({"message_class": "otp"}, {"m1": "expired"}, [1]),
        ({"resend_if_unknown": True}, {}, [1, 2]),
    ],
    ids=["park", "expire", "send again"],
)
async def test_without_any_evidence_the_policy_decides(
    changes: dict[str, Any], failures: dict[str, str], attempts: list[int]
) -> None:
    async with whole() as w:
        lose_requests(w)
        await w.ask("m1", **changes)
        await w.passes(timedelta(hours=2))

        assert w.failures() == failures
        assert [command.attempt for command in w.done if command.action is Action.SEND] == attempts
        assert len(w.accepted()) == len(attempts) - 1


@pytest.mark.parametrize("lose", [lose_answers, lose_requests], ids=["both arrived", "one arrived"])
async def test_of_two_identical_texts_in_doubt_the_list_makes_neither_certain(lose: Callable[[Whole], None]) -> None:
    """Whichever row were given to whichever, one that was never sent might be hidden, or one that was sent again."""
    async with whole(callback_faults=LOST) as w:
        lose_answers(w)
        await w.ask("m1")
        lose(w)
        await w.ask("m2")
        accepted = len(w.accepted())
        await w.passes(timedelta(hours=2))

        assert len(w.accepted()) == accepted
        assert w.failures() == {"m1": "outcome_unknown", "m2": "outcome_unknown"}
        assert w.look_ups() >= 2


async def test_callbacks_tell_two_identical_texts_apart() -> None:
    async with whole() as w:
        lose_answers(w, times=2)
        await w.ask("m1")
        await w.ask("m2")
        await w.passes(timedelta(hours=1))

        assert [*w.sids("m1"), *w.sids("m2")] == w.accepted()
        assert {message.to for message in w.simulator.twilio.store.order} == {PERSON}
