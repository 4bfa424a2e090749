"""Where a stage puts records that it cannot handle: the topic's dead letter, delivered before the acknowledgement."""

from __future__ import annotations

import traceback

from processors.streaming.kafka_message import KafkaEvent
from schemas.codec import Codec
from schemas.dead_letters import dead_letter
from schemas.ports import Clock, Publisher


class DeadLetters:
    """The dead letters of one stage.

    Args:
        stage: The stage's name in the dead letter.
        publisher: Publishes the dead letters.
        codec: Encodes them.
        clock: Dates them.
    """

    def __init__(self, stage: str, publisher: Publisher, codec: Codec, clock: Clock) -> None:
        self._stage = stage
        self._publisher = publisher
        self._codec = codec
        self._clock = clock

    async def publish(self, reason: str, detail: str, event: KafkaEvent) -> None:
        """Publish an event's record as a dead letter. Returns when all in-sync replicas have it.

        Raises:
            PublishError: Kafka did not take it.
        """
        message = event.message
        letter = dead_letter(
            self._codec,
            message.topic,
            partition=message.partition,
            offset=message.offset,
            key=message.key,
            value=message.value,
            reason=reason,
            detail=detail,
            stage=self._stage,
            occurred_at=self._clock.now(),
        )
        await self._publisher.publish([letter])


def error_summary(error: Exception) -> str:
    """An exception and the innermost three places it passed, on one line."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(
        f"{frame.name}:{frame.lineno} {frame.filename.rpartition('/')[2]}" for frame in reversed(frames)
    )
    return f"{error!r} in {places}"
