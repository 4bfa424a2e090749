"""One queue per owned partition and generation, filled from the tables."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.builders import NOW, dispatch, seconds
from tests.processors.sender.harness import Worker, World, named


def message(generation: int, partition: int = 0) -> Any:
    return SimpleNamespace(partition=partition, generation_id=generation)


async def test_a_generation_has_one_queue_and_the_next_one_another_with_the_same_commands(
    world: World, worker: Worker
) -> None:
    world.revocations.stale_because = "lost touch"
    await worker.give(named("waits"))
    queues = worker.stage.queue_runner._queues

    first = queues.queue_of(message(generation=7))
    again = queues.queue_of(message(generation=7))
    second = queues.queue_of(message(generation=8))

    assert first is again
    assert first is not second
    assert "waits/1" in first
    assert "waits/1" in second


async def test_a_new_generation_ends_draining(worker: Worker) -> None:
    queues = worker.stage.queue_runner._queues
    await worker.stage.queue_runner.drain()
    assert queues.draining

    queues.queue_of(message(generation=7))

    assert not queues.draining


async def test_a_sender_that_no_setting_names_may_send_one_segment_a_second(world: World) -> None:
    queue = Worker(world).queue()
    unknown = dispatch(sender="+15005559999")

    assert not queue.try_acquire(unknown, NOW)
    assert queue.try_acquire(unknown, NOW + seconds(1))
    assert not queue.try_acquire(unknown, NOW + seconds(1.5))
