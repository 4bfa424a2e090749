"""Workers die at any moment, again and again, and their successors go on: nobody is called twice, nothing is silent."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.enums import Action, Lane, Outcome
from schemas.records import Dispatch
from tests.builders import dispatch, seconds
from tests.processors.sender.harness import CrashAfter, Worker, World, settle

DEATHS = st.lists(st.integers(1, 60), max_size=5)
FATES = st.sampled_from(["accept", "accept", "lose_answer", "lose_request", "limit", "refuse"])


class Lane0:
    """What Kafka has: every command, and up to which one it is committed."""

    def __init__(self, commands: list[Dispatch]) -> None:
        self.commands = commands
        self.committed = 0

    async def read_by(self, worker: Worker) -> None:
        """Everything not committed is read (again), then some time passes."""
        start = self.committed
        await worker.give(*self.commands[start:])
        for _ in range(4):
            await self._tick(worker)
        acked = [start + offset for offset in worker.acked]
        while self.committed in acked:
            self.committed += 1

    async def _tick(self, worker: Worker) -> None:
        tick = asyncio.ensure_future(worker.tick(3.0))
        await settle(120)
        if not tick.done():  # it died in it
            tick.cancel()
            await asyncio.wait([tick])


def commands(number: int) -> list[Dispatch]:
    """Sends of two senders in all lanes, every third with a look-up that comes while the send may still wait."""
    made = []
    for place in range(number):
        fields: dict[str, Any] = {
            "attempt_id": f"m{place}/1",
            "message_id": f"m{place}",
            "lane": list(Lane)[place % 3],
            "tenant": "ab"[place % 2],
            "body": f"text {place}",
            "segments": 1 + place % 3,
            "sender": "+1833555010" + "01"[place % 2],  # in no setting: one segment a second
        }
        made.append(dispatch(**fields))
        if place % 3 == 0:
            made.append(dispatch(**fields, action=Action.LOOK_UP, called_after=made[-1].issued_at))
    return made


async def lives(number: int, deaths: list[int], fates: list[str]) -> World:
    world, lane = World(), Lane0(commands(number))
    fated: dict[str, Any] = {
        "lose_answer": world.twilio.lose_next_answer,
        "lose_request": world.twilio.lose_next_request,
        "limit": lambda: world.twilio.limit_next(1000),
        "refuse": lambda: world.twilio.refuse_next(21211),
        "accept": lambda: world.twilio._next.append((True, lambda answer: answer)),
    }
    for fate in fates:
        fated[fate]()
    for left in deaths:
        worker = Worker(world, crash=CrashAfter(left))
        await lane.read_by(worker)
    last = Worker(world)
    await lane.read_by(last)
    for _ in range(40):
        await last.tick(5.0)
    assert last.failures == []
    assert lane.committed == len(lane.commands)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:  # of the dead
        task.cancel()
    return world


@settings(max_examples=80, deadline=None)
@given(number=st.integers(1, 7), deaths=DEATHS, fates=st.lists(FATES, max_size=6))
def test_however_workers_die_no_attempt_is_called_twice_and_every_command_is_answered(
    number: int, deaths: list[int], fates: list[str]
) -> None:
    world = asyncio.run(lives(number, deaths, fates))

    assert max(Counter(world.called()).values(), default=0) <= 1
    said: dict[tuple[str, Action], set[Outcome]] = {}
    for answer in world.answers():
        said.setdefault((answer.attempt_id, answer.action), set()).add(answer.outcome)
    assert set(said) == {(command.attempt_id, command.action) for command in commands(number)}
    for attempt_id in world.called():
        outcomes = said[(attempt_id, Action.SEND)]
        assert outcomes <= {Outcome.ACCEPTED, Outcome.UNKNOWN}, f"{attempt_id} was sent, and called {outcomes}"
    assert [key for key in world.attempts.rows if key.startswith(b"queue|")] == []


@settings(max_examples=40, deadline=None)
@given(pause=st.integers(1, 20))
def test_a_worker_that_slept_and_lost_its_partition_calls_nobody_when_it_wakes(pause: int) -> None:
    """It stops at some moment, its successor does everything, and then it goes on as if nothing had been."""

    async def scenario() -> World:
        world = World()
        first = Worker(world)
        gate = asyncio.Event()
        boundary, passed = first.crash.boundary, 0

        async def sleep_at_some_boundary() -> None:
            nonlocal passed
            passed += 1
            if passed >= pause:
                await gate.wait()
            await boundary()

        first.crash.boundary = sleep_at_some_boundary  # type: ignore[method-assign]  # the machine is suspended
        lane = Lane0(commands(4))
        await lane.read_by(first)
        world.clock.advance(seconds(60))
        fence, world.fence = world.fence, type(world.fence)()
        second = Worker(world)
        await lane.read_by(second)
        for _ in range(20):
            await second.tick(5.0)
        fence.lose()
        gate.set()
        await settle(200)
        return world

    world = asyncio.run(scenario())

    assert max(Counter(world.called()).values(), default=0) <= 1
    for attempt_id in world.called():
        said = {answer.outcome for answer in world.answers() if answer.attempt_id == attempt_id}
        assert Outcome.NOT_SENT not in said
