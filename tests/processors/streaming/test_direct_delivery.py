"""A record is delivered at once where nothing waits, and as Faust does where something does."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import mode
import pytest
from mode.services import WaitResults

from processors.streaming import direct_delivery


class Consumer(mode.Service):
    """A service that waits as the consumer does."""

    async def wait_first(self, *waits: Any, timeout: Any = None) -> WaitResults:
        return await direct_delivery.wait_first(super().wait_first, self._stopped.is_set, *waits, timeout=timeout)


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
async def test_an_error_reaches_the_caller(waits: bool) -> None:
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
    assert cast(Any, results.done) == [event]
