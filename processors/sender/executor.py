"""One call: its last check right before the bytes are written, and an answer whatever happens."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any, Protocol

from processors.core.sender import decide
from schemas.ports import Clock, MessageList, Revocations, SmsSender
from schemas.records import AttemptResult, Dispatch, Outcome
from schemas.states import SenderAttempt

logger = logging.getLogger(__name__)

CLIENT_ERROR = "client_error"


class Fenced(Protocol):
    """The part of `processors.streaming.fence.Fence` that is needed here."""

    def owns(self, message: Any) -> bool:
        """Whether the message's partition is ours; asks without awaiting."""
        ...

    async def wait_until_owned(self, message: Any) -> bool:
        """Wait until it is again (True) or certainly lost (False)."""
        ...


class Executor:
    """Calls Twilio, at most ``calls`` times at once over all senders: the account's limit is on concurrency.

    Source: https://www.twilio.com/docs/api/errors/20429
    """

    def __init__(
        self,
        sender: SmsSender,
        history: MessageList,
        revocations: Revocations,
        fence: Fenced,
        clock: Clock,
        calls: int,
    ) -> None:
        self._sender = sender
        self._history = history
        self._revocations = revocations
        self._fence = fence
        self._clock = clock
        self.slots = asyncio.Semaphore(calls)  # to be had before the intent is made, as an intent's life is short

    async def call(self, command: Dispatch, intent: SenderAttempt, message: Any) -> AttemptResult:
        """Make the one call of a durable intent. ``message`` is the event's, whose partition must still be ours."""
        called_at: datetime | None = None

        def last_check() -> str | None:
            nonlocal called_at
            now = self._clock.now()
            why_not = decide.final_check(
                intent,
                now,
                fenced=self._fence.owns(message),
                stale=self._revocations.stale(),
                revoked=self._revocations.revoked(command.person, command.program),
            )
            called_at = now if why_not is None else None
            return why_not

        try:
            result = await self._sender.send(command, last_check)
        except Exception as error:
            logger.exception("attempt %s: the call failed in our own code", command.attempt_id)
            result = decide.attempt_result(
                command, Outcome.UNKNOWN, self._clock.now(), reason=CLIENT_ERROR, detail=repr(error)
            )
        return decide.complete_result(result, intent, called_at)

    async def look_up(self, command: Dispatch) -> AttemptResult:
        """Ask Twilio's list what became of an attempt."""
        async with self.slots:
            return await self._history.find(command)
