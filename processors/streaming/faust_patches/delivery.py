"""Faust 0.15.3 hands each record on in a task of its own, raced against three more (``faust/transport/consumer.py``:
``_drain_messages``, ``mode/services.py``: ``wait_first``): half of what a record costs it.

Handing on is putting into a queue, and as a rule nothing in it waits. So here the first step is made at once, and only
what did wait is raced as before, from where it stands.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from faust.transport.consumer import ThreadDelegateConsumer
from mode.services import WaitResults

WaitFirst = Callable[..., Awaitable[Any]]


def install() -> None:
    """Shorten the way. Once per process; calling again does nothing."""
    if not hasattr(ThreadDelegateConsumer, "smsflow_shortened"):
        ThreadDelegateConsumer.wait_first = _at_once_or(ThreadDelegateConsumer.wait_first)
        ThreadDelegateConsumer.smsflow_shortened = True


def _at_once_or(wait_first: WaitFirst) -> WaitFirst:
    async def shortened(self: Any, work: Any, *others: Any, timeout: Any = None) -> Any:
        if not isinstance(work, Coroutine) or not all(isinstance(other, Coroutine) for other in others):
            return await wait_first(self, work, *others, timeout=timeout)
        try:
            waits_for = work.send(None)
        except StopIteration as end:
            _drop(others)
            stopped = self._stopped.is_set() or self._crashed.is_set()
            return WaitResults([], [], True) if stopped else WaitResults([work], [end.value], False)
        except BaseException:
            _drop(others)
            raise
        return await wait_first(self, _continued(work, waits_for), *others, timeout=timeout)

    return shortened


def _drop(others: tuple[Any, ...]) -> None:
    for other in others:
        other.close()


async def _continued(work: Coroutine[Any, Any, Any], waits_for: Any) -> Any:
    """The rest of a coroutine whose first step was made, and which waits for that."""
    return await _rest(work, waits_for)


@types.coroutine
def _rest(work: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    step: Callable[[Any], Any]
    while True:
        try:
            answer = yield waits_for
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # noqa: BLE001  it is the coroutine's to handle: a cancellation, say
            step, argument = work.throw, error
        else:
            step, argument = work.send, answer
        try:
            waits_for = step(argument)
        except StopIteration as end:
            return end.value
