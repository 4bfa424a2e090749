"""A producer asks its fence before each produce request, when the request is about to be written.

Upstream: ``aiokafka/producer/sender.py``, ``SendProduceReqHandler.do`` sends whatever the accumulator holds, however
    long ago it was put there.
Without the patch: a worker that was frozen may hold records that it had not sent yet. Sent when the worker wakes, they
    stand in the changelog behind those of the new owner, and win: the next recovery, and compaction for good, take an
    older state for the newest. A STOP could be forgotten like that.
Shown by: ``test_a_thawed_worker_writes_nothing_into_partitions_it_lost`` in ``tests/processors/person/test_worker.py``,
    which stops a worker (SIGSTOP) in the middle of its writes, and ``tests/crash/rebalances.py``.
Remove when: Kafka refuses a produce request of an old group generation (today only transactional producers are fenced,
    by their epoch), or aiokafka has a hook that runs before each produce request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiokafka.errors import KafkaError
from aiokafka.producer.sender import SendProduceReqHandler

_FENCE = "smsflow_fence"
_PATCHED = "smsflow_patched"


class NotOwner(KafkaError):  # type: ignore[misc]  # aiokafka ships no types
    """The record was not sent: this worker is no longer in the generation that owned the partition."""

    retriable = False


class GroupMembership(Protocol):
    """The part of ``processors.streaming.fence.Fence`` that a producer needs."""

    async def wait_until_member(self) -> bool:
        """Wait until this worker is known to own its partitions; False if its generation is over."""
        ...


class _ProduceBatch(Protocol):
    def failure(self, exception: BaseException) -> None: ...


class _Client(Protocol):
    async def ready(self, node_id: int) -> bool: ...


class _Handler(Protocol):
    """The part of aiokafka's ``SendProduceReqHandler`` that is used here."""

    _sender: object
    _client: _Client
    _batches: Mapping[Any, _ProduceBatch]


Do = Callable[[_Handler, int], Awaitable[None]]


def install_produce_fence() -> None:
    """Patch ``SendProduceReqHandler``. Idempotent; a producer without a fence sends as before."""
    if not hasattr(SendProduceReqHandler, _PATCHED):
        SendProduceReqHandler.do = _fenced(SendProduceReqHandler.do)
        setattr(SendProduceReqHandler, _PATCHED, True)


def guard(producer: Any, fence: GroupMembership) -> None:
    """Let this ``AIOKafkaProducer`` send only while the fence lets it. What it may not send fails with ``NotOwner``."""
    setattr(producer._sender, _FENCE, fence)


def _fenced(do: Do) -> Do:
    async def fenced(self: _Handler, node_id: int) -> None:
        fence: GroupMembership | None = getattr(self._sender, _FENCE, None)
        if fence is not None:
            await self._client.ready(node_id)  # first: connecting takes time, and nothing may wait after the check
            if not await fence.wait_until_member():
                for batch in self._batches.values():
                    batch.failure(exception=NotOwner("this worker's generation is over"))
                return
        await do(self, node_id)

    return fenced
