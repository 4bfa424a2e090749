"""The last check of one call, right before its bytes are written (port ``LastCheck``)."""

from __future__ import annotations

from datetime import datetime

from processors.core.sender import decide
from processors.streaming.kafka_message import KafkaMessage
from processors.streaming.ownership import Ownership
from schemas.ports import Clock, Revocations
from schemas.records import Dispatch
from schemas.states import SenderAttempt


class FinalCheck:
    """Asks once more for everything that may have changed since the attempt was decided. Nothing else permits a call.

    A worker that was paused, that lost its partition, or whose person said STOP meanwhile calls nobody.

    Args:
        command: The command of the call.
        intent: The attempt's durable intent.
        message: The Kafka message whose partition must still be owned.
        fence: Whether this worker owns the partition.
        revocations: Who must not be texted.
        clock: The time.
    """

    __slots__ = ("_clock", "_command", "_fence", "_intent", "_message", "_revocations", "called_at")

    def __init__(
        self,
        command: Dispatch,
        intent: SenderAttempt,
        message: KafkaMessage,
        *,
        fence: Ownership,
        revocations: Revocations,
        clock: Clock,
    ) -> None:
        self._command = command
        self._intent = intent
        self._message = message
        self._fence = fence
        self._revocations = revocations
        self._clock = clock
        self.called_at: datetime | None = None
        """When the check last permitted the call, UTC; None if it did not."""

    def __call__(self) -> str | None:
        """Decide without awaiting. Returns the reason not to call, or None: then ``called_at`` is now."""
        now, command = self._clock.now(), self._command
        objection = decide.final_check(
            command,
            self._intent,
            now,
            owned=self._fence.owns(self._message),
            stale=self._revocations.stale(),
            revoked=self._revocations.revoked(command.person, command.program),
        )
        self.called_at = now if objection is None else None
        return objection
