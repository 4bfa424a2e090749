"""The loop of an agent: reads topics in order and hands each event over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import faust
from faust.types import StreamT

from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.kafka_message import KafkaEvent

Accept = Callable[[KafkaEvent], Awaitable[None]]


def start_agent(
    app: faust.App, name: str, source_topics: Sequence[str], accept: Accept, fail: FailStop = fail_stop
) -> None:
    """Read topics with an agent of the app. Nothing is acknowledged here: that is ``OrderedAcks``' task.

    Args:
        app: The worker's app.
        name: The agent's name.
        source_topics: The topics to read, as raw bytes.
        accept: Called with one event after the other. It starts the event's handling and returns.
        fail: Called with an exception that ``accept`` raised.
    """

    async def read(stream: StreamT[bytes]) -> None:
        assert isinstance(stream, faust.Stream)  # the interface has no ``noack``
        try:
            async for event in stream.noack().events():
                await accept(event)
        except Exception as error:  # noqa: BLE001  Faust would restart the agent and skip the event
            fail(f"the {name} stage's agent failed", error)

    app.agent(app.topic(*source_topics, key_serializer="raw", value_serializer="raw"), name=name)(read)
