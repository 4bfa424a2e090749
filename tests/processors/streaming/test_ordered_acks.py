"""Order of steps and of acknowledgements."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from processors.streaming.ordered_acks import OrderedAcks, PartitionLost, wait_for_all


class _Consumer:
    """The consumer, as far as it counts what is not acknowledged: it waits for that at a rebalance."""

    def __init__(self) -> None:
        self.unacked: set[Message] = set()

    def stop_waiting_for(self, message: Message) -> None:
        self.unacked.discard(message)


class _App:
    def __init__(self) -> None:
        self.consumer_generation_id = 1
        self.consumer = _Consumer()


@dataclass(frozen=True)
class Message:
    """As much of Faust's as the order of acknowledgements needs."""

    tp: tuple[str, int]
    offset: int
    generation_id: int = 1


class Event:
    """As much of a Faust event as acknowledging needs."""

    def __init__(self, app: _App, acked: list[int], offset: int, key: bytes, partition: int = 0) -> None:
        self.app = app
        self.key = key
        self.message = Message(("sms", partition), offset)
        self._acked = acked
        app.consumer.unacked.add(self.message)

    def ack(self) -> None:
        self._acked.append(self.message.offset)


def fake_event(app: _App, acked: list[int], offset: int, key: bytes) -> Any:
    return Event(app, acked, offset, key)


class Steps:
    """Steps that end when a test says so."""

    def __init__(self, in_flight: int = 10, window: int = 10) -> None:
        self.app = _App()
        self.acked: list[int] = []
        self.started: list[int] = []
        self.failures: list[Any] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.acks = OrderedAcks(in_flight, window, lambda _, error: self.failures.append(error))

    @property
    def waited_for(self) -> set[int]:
        """Offsets of the messages that Faust waits for before it rejoins its group."""
        return {message.offset for message in self.app.consumer.unacked}

    async def start(self, offset: int, key: bytes) -> None:
        self.gates[offset] = asyncio.Event()
        await self.acks.run(fake_event(self.app, self.acked, offset, key), self._step)
        await settle()

    async def end(self, offset: int) -> None:
        self.gates[offset].set()
        await settle()

    async def _step(self, event: Any) -> None:
        self.started.append(event.message.offset)
        await self.gates[event.message.offset].wait()


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_acks_come_in_offset_order_however_steps_end() -> None:
    steps = Steps()
    for offset in range(3):
        await steps.start(offset, b"%d" % offset)
    await steps.end(2)
    await steps.end(1)
    assert steps.acked == []

    await steps.end(0)

    assert steps.acked == [0, 1, 2]


async def test_events_of_one_key_run_one_after_the_other() -> None:
    steps = Steps()
    await steps.start(0, b"a")
    await steps.start(1, b"a")
    await steps.start(2, b"b")
    assert steps.started == [0, 2]

    await steps.end(0)

    assert steps.started == [0, 2, 1]


async def test_a_local_job_waits_for_its_keys_events_and_holds_back_the_next_ones() -> None:
    steps = Steps()
    order: list[str] = []
    gate = asyncio.Event()

    async def job() -> None:
        order.append("job")
        await gate.wait()

    await steps.start(0, b"a")
    local = asyncio.ensure_future(steps.acks.run_local(b"a", job))
    await settle()
    await steps.start(1, b"a")
    assert order == []

    await steps.end(0)
    assert (order, steps.started) == (["job"], [0])
    gate.set()
    await local
    await settle()

    assert steps.started == [0, 1]


async def test_no_more_steps_run_at_once_than_allowed() -> None:
    steps = Steps(in_flight=1)
    await steps.start(0, b"a")
    waiting = asyncio.ensure_future(steps.start(1, b"b"))
    await settle()
    assert steps.started == [0]

    await steps.end(0)
    await waiting

    assert steps.started == [0, 1]


async def test_an_unfinished_head_holds_back_no_more_than_the_window() -> None:
    steps = Steps(window=2)
    await steps.start(0, b"a")
    await steps.start(1, b"b")
    await steps.end(1)
    waiting = asyncio.ensure_future(steps.start(2, b"c"))
    await settle()
    assert steps.started == [0, 1]

    await steps.end(0)
    await waiting

    assert steps.started == [0, 1, 2]


async def test_a_failing_step_is_reported_and_neither_it_nor_its_followers_are_acknowledged() -> None:
    steps = Steps()

    async def fail(event: Any) -> None:
        raise ValueError("broken")

    await steps.acks.run(fake_event(steps.app, steps.acked, 0, b"a"), fail)
    await steps.start(1, b"b")
    await steps.end(1)

    assert [str(error) for error in steps.failures] == ["broken"]
    assert steps.acked == []


async def test_a_lost_partition_is_no_failure_and_nothing_of_it_is_acknowledged_any_more() -> None:
    steps = Steps()

    async def lose(event: Any) -> None:
        raise PartitionLost

    await steps.start(0, b"a")
    await steps.acks.run(fake_event(steps.app, steps.acked, 1, b"b"), lose)
    await settle()
    await steps.end(0)
    await steps.start(2, b"c")

    assert (steps.acked, steps.failures, steps.started) == ([], [], [0])


async def test_nobody_waits_for_what_is_lost_once_its_step_has_ended() -> None:
    """However long somebody refers to it: the agent's loop keeps its last event, and waits for the next one."""
    steps = Steps()
    kept = [fake_event(steps.app, steps.acked, offset, b"%d" % offset) for offset in (2, 3)]

    async def lose(event: Any) -> None:
        raise PartitionLost

    await steps.start(0, b"0")
    await steps.start(1, b"1")
    await steps.end(1)
    await steps.acks.run(kept[0], lose)
    await settle()
    await steps.acks.run(kept[1], lose)
    assert steps.waited_for == {0}, "only what still runs, and may still write, is waited for"

    await steps.end(0)

    assert (steps.waited_for, steps.acked) == (set(), [])


async def test_what_is_known_to_be_lost_only_when_it_is_done_is_not_waited_for() -> None:
    steps = Steps()
    await steps.start(0, b"a")
    await steps.start(1, b"b")
    await steps.end(1)
    steps.app.consumer_generation_id = 2

    await steps.end(0)

    assert (steps.waited_for, steps.acked) == (set(), [])


async def test_what_ends_after_a_rebalance_is_not_acknowledged() -> None:
    """A late acknowledgement would be counted in the new generation."""
    steps = Steps()
    await steps.start(0, b"a")
    steps.app.consumer_generation_id = 2

    await steps.end(0)

    assert steps.acked == []


@pytest.mark.parametrize("events", [1, 50])
async def test_nothing_is_remembered_of_keys_that_are_done(events: int) -> None:
    steps = Steps()
    for offset in range(events):
        await steps.start(offset, b"%d" % offset)
        await steps.end(offset)

    assert steps.acks._tails == {}


async def test_all_are_waited_for_and_a_lost_partition_hides_no_other_error() -> None:
    ended: list[str] = []

    async def job(name: str, error: Exception | None = None) -> None:
        await asyncio.sleep(0)
        ended.append(name)
        if error is not None:
            raise error

    await wait_for_all([])
    with pytest.raises(PartitionLost):
        await wait_for_all([job("a", PartitionLost("t/0")), job("b")])
    with pytest.raises(RuntimeError, match="a bug"):
        await wait_for_all([job("c", PartitionLost("t/0")), job("d", RuntimeError("a bug")), job("e")])

    assert ended == ["a", "b", "c", "d", "e"]
