"""Delivers a record to its stream without a task where nothing waits: a matter of speed only.

Upstream: ``faust/transport/consumer.py``, ``Consumer._drain_messages`` hands each record on with ``Service.wait_first``
    (``mode/services.py``), which makes a task of the delivery and races the task against three more. That is half of
    what a record costs Faust.
Here: to deliver is to put into a queue, and as a rule nothing in it waits. So the first step of the delivery is made at
    once, and only a delivery that did wait is raced as before, from where it stands.
Remove when: Faust delivers without a task a record, or smsflow takes a partition's records as one batch.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from mode.services import WaitResults

Work = Coroutine[Any, Any, Any]


class WaitFirst(Protocol):
    """``mode.Service.wait_first``."""

    async def __call__(self, *work: Any, timeout: Any = None) -> WaitResults:
        """Wait for the first of these."""
        ...


async def wait_first(race: WaitFirst, has_ended: Callable[[], bool], *waits: Any, timeout: Any = None) -> WaitResults:
    """As ``mode.Service.wait_first``, but the first step of the first coroutine is made at once.

    Args:
        race: The service's own ``wait_first``, for a coroutine that does wait.
        has_ended: Whether the service is stopped or has crashed.
        waits: What to wait for. The shorter way is for coroutines only.
        timeout: Seconds for ``race``.
    """
    if not all(isinstance(wait, Coroutine) for wait in waits):
        return await race(*waits, timeout=timeout)
    work, *others = waits
    try:
        waits_for = work.send(None)
    except StopIteration as end:
        _close(others)
        return WaitResults([], [], True) if has_ended() else WaitResults([work], [end.value], False)
    except BaseException:
        _close(others)
        raise
    return await race(_continued(work, waits_for), *others, timeout=timeout)


def _close(coroutines: list[Work]) -> None:
    for coroutine in coroutines:
        coroutine.close()  # never started: without this, Python warns that they were never awaited


async def _continued(work: Work, waits_for: Any) -> Any:
    """The rest of a coroutine whose first step was made, and which waits for ``waits_for``."""
    return await _rest(work, waits_for)


@types.coroutine
def _rest(work: Work, waits_for: Any) -> Generator[Any, Any, Any]:
    step: Callable[[Any], Any]
    while True:
        try:
            answer = yield waits_for
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:  # noqa: BLE001  the coroutine handles it: a cancellation, for example
            step, argument = work.throw, error
        else:
            step, argument = work.send, answer
        try:
            waits_for = step(argument)
        except StopIteration as end:
            return end.value
