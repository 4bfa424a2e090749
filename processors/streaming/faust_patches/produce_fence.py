"""A table's record leaves only while its partition is ours, checked when the request to the broker is written.

A worker that was frozen may hold records that it had not sent yet. Sent when it wakes, they would stand in the
changelog behind those of the new owner, and win: the next recovery, and compaction for good, would take an older state
for the newest. A STOP could be forgotten like that. So aiokafka asks the fence before each produce request, and what
may not leave any more fails with `NotOwner`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiokafka.errors import KafkaError
from aiokafka.producer.sender import SendProduceReqHandler

Do = Callable[[Any, Any], Awaitable[None]]
_FENCE = "smsflow_fence"


class NotOwner(KafkaError):  # type: ignore[misc]
    """The record was not sent: this worker is no longer in the generation that owned the partition."""

    retriable = False


class GroupMembership(Protocol):
    """The part of `processors.streaming.ownership.Fence` that is needed here."""

    async def in_standing(self) -> bool:
        """Whether what this worker owns is still its own."""
        ...


def install() -> None:
    """Make aiokafka's producers ask the fence they are given. Once per process; calling again does nothing."""
    if not hasattr(SendProduceReqHandler, "smsflow_asks"):
        SendProduceReqHandler.do = _asking(SendProduceReqHandler.do)
        SendProduceReqHandler.smsflow_asks = True


def watch(producer: Any, fence: GroupMembership) -> None:
    """Let this producer send only what the fence lets pass."""
    setattr(producer._sender, _FENCE, fence)


def is_watched(producer: Any) -> bool:
    """Whether this producer has a fence."""
    return hasattr(producer._sender, _FENCE)


def _asking(do: Do) -> Do:
    async def asking(self: Any, node_id: Any) -> None:
        fence = getattr(self._sender, _FENCE, None)
        if fence is not None:
            await self._client.ready(node_id)  # first: connecting takes time, and nothing waits after the check
            if not await fence.in_standing():
                for batch in self._batches.values():
                    batch.failure(exception=NotOwner("this worker's generation is over"))
                return
        await do(self, node_id)

    return asking
