"""aiokafka's group coordinator remembers when it sent its last good heartbeat.

Upstream: ``aiokafka/consumer/group_coordinator.py``, ``GroupCoordinator._heartbeat_routine`` has that time in a local
    variable, on ``time.monotonic``, which stops while the machine sleeps.
Without the patch: a worker that was frozen for longer than the session time-out believes for more than a second after
    it wakes that its partitions are still its own: assignment, generation and Faust's flags all say so. It could call
    Twilio for an attempt that another worker has called already.
Shown by: ``test_a_worker_paused_beyond_its_session_calls_nobody_when_it_wakes`` in
    ``tests/processors/sender/test_worker.py``, which stops a worker (SIGSTOP) until its partitions are another's.
Remove when: aiokafka has a public attribute with the time of the last good heartbeat, on a clock that counts suspended
    time.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from aiokafka.consumer.group_coordinator import GroupCoordinator

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # only Linux has a clock that counts a machine's sleep


class HeartbeatMember(Protocol):
    """aiokafka's ``GroupCoordinator`` with this patch."""

    generation: int
    """The consumer group's generation this worker is a member of; -1 while it is in none."""
    last_good_heartbeat: float
    """When the last heartbeat was sent that the broker answered well, as ``now`` counts; 0.0 before the first."""


def now() -> float:
    """Seconds on a clock that no time change moves and that, on Linux, counts suspended time."""
    return time.clock_gettime(_CLOCK)


def install_heartbeat_stamp() -> None:
    """Patch ``GroupCoordinator``. Idempotent."""
    if hasattr(GroupCoordinator, "last_good_heartbeat"):
        return
    do_heartbeat, on_join_complete = GroupCoordinator._do_heartbeat, GroupCoordinator._on_join_complete

    async def stamped_heartbeat(self: HeartbeatMember) -> bool:
        sent_at = now()  # when sent, not when answered: the broker counts the session from its receipt
        good = bool(await do_heartbeat(self))
        if good:
            self.last_good_heartbeat = sent_at
        return good

    async def stamped_join(self: HeartbeatMember, *args: Any, **kwargs: Any) -> Any:
        self.last_good_heartbeat = now()
        return await on_join_complete(self, *args, **kwargs)

    GroupCoordinator.last_good_heartbeat = 0.0
    GroupCoordinator._do_heartbeat = stamped_heartbeat
    GroupCoordinator._on_join_complete = stamped_join
