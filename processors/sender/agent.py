"""The sender stage's agent: decodes commands, orders them by attempt, and publishes dead letters.

``AttemptRunner`` does the rest: load, decide, save, call, publish. ``OrderedAcks`` acknowledges.
"""

from __future__ import annotations

from functools import partial

from processors.sender.attempt_runner import AttemptRunner
from processors.sender.dependencies import SenderDeps
from processors.streaming.dead_letters import DeadLetters
from processors.streaming.kafka_message import KafkaEvent
from schemas.enums import Action
from schemas.errors import DecodeError
from schemas.records import Dispatch

STAGE = "sender"


class SenderAgent:
    """Handles the events of the dispatch lanes. One for each worker."""

    def __init__(self, deps: SenderDeps, attempts: AttemptRunner) -> None:
        self._codec = deps.ports.codec
        self._acks = deps.acks
        self._attempts = attempts
        self._dead_letters = DeadLetters(STAGE, deps.ports.publisher, deps.ports.codec, deps.ports.clock)

    async def accept(self, event: KafkaEvent) -> None:
        """Start handling one event. Commands of one attempt run one after the other, others at once."""
        try:
            command = self._decode(event.message.value)
        except DecodeError as error:
            await self._acks.run(event, partial(self._dead_letters.publish, error.reason, error.detail))
            return
        step = self._attempts.look_up if command.action is Action.LOOK_UP else self._attempts.send
        await self._acks.run(event, partial(step, command), command.attempt_id.encode())

    def _decode(self, value: bytes | None) -> Dispatch:
        return self._codec.decode(Dispatch, value)
