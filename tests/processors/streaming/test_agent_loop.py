"""An agent hands over one event after the other, and an exception ends the worker instead of skipping an event."""

from __future__ import annotations

from typing import Any

import faust
import pytest

from processors.streaming.agent_loop import start_agent
from tests.processors.streaming.conftest import BuildApp

TOPICS = ("sms-requests", "sms-inbound")


class Events(faust.Stream[Any]):
    """A stream that ends after some events."""

    def __init__(self, *events: object) -> None:
        self._events = events
        self.acknowledges = True

    def noack(self) -> Any:
        self.acknowledges = False
        return self

    async def events(self) -> Any:
        for event in self._events:
            yield event


def agent(app: faust.App, accept: Any, failures: list[Any]) -> Any:
    start_agent(app, "person", TOPICS, accept, lambda why, error: failures.append((why, error)))
    (made,) = app.agents.values()
    return made


async def test_events_are_accepted_in_order_and_not_acknowledged_by_the_loop(build_app: BuildApp) -> None:
    accepted: list[Any] = []

    async def accept(event: Any) -> None:
        accepted.append(event)

    stream = Events("a", "b")
    made = agent(build_app(), accept, [])
    await made.fun(stream)

    assert accepted == ["a", "b"]
    assert not stream.acknowledges
    assert made.channel.topics == TOPICS


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ValueError("another")])
async def test_an_exception_ends_the_worker(build_app: BuildApp, error: Exception) -> None:
    failures: list[Any] = []

    async def accept(event: Any) -> None:
        raise error

    await agent(build_app(), accept, failures).fun(Events("a"))

    assert failures == [("the person stage's agent failed", error)]
