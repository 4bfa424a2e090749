"""A record is handed on at once where nothing waits, and as Faust does where something does."""

import asyncio
from typing import Any

import mode
import pytest
from faust.transport.consumer import ThreadDelegateConsumer

from processors.streaming.faust_patches import delivery

delivery.install()


class Consumer(mode.Service):  # type: ignore[misc]  # mode is untyped here
    """A service whose waiting is the consumer's."""

    wait_first = ThreadDelegateConsumer.wait_first


async def never() -> None:
    await asyncio.Event().wait()


async def test_work_that_does_not_wait_is_done_without_a_task() -> None:
    tasks: list[Any] = []

    async def work() -> str:
        tasks.append(asyncio.current_task())
        return "done"

    results = await Consumer().wait_first(work(), never())
    assert (results.results, results.stopped) == (["done"], False)
    assert tasks == [asyncio.current_task()]


async def test_work_that_waits_is_continued_where_it_stands() -> None:
    steps, ready = [], asyncio.get_running_loop().create_future()

    async def work() -> str:
        steps.append("first")
        steps.append(await ready)
        await asyncio.sleep(0)
        return "done"

    asyncio.get_running_loop().call_soon(ready.set_result, "second")
    results = await Consumer().wait_first(work(), never())
    assert results.results == ["done"]
    assert steps == ["first", "second"]


async def test_work_that_waits_is_given_up_when_another_is_first() -> None:
    ended = []

    async def work() -> None:
        try:
            await never()
        finally:
            ended.append("cancelled")

    async def suspended() -> str:
        return "suspended"

    results = await Consumer().wait_first(work(), suspended())
    await asyncio.sleep(0)
    assert results.results == ["suspended"]
    assert ended == ["cancelled"]


@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_reaches_the_drain(waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await Consumer().wait_first(work(), never())


async def test_a_consumer_that_stopped_says_so() -> None:
    consumer = Consumer()
    consumer._stopped.set()
    results = await consumer.wait_first(asyncio.sleep(0, "done"), never())
    assert results.stopped


async def test_what_is_no_coroutine_is_waited_for_as_before() -> None:
    event = asyncio.Event()
    event.set()
    results = await Consumer().wait_first(event)
    assert results.done == [event]
