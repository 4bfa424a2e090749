"""What the sender stage works with: the ports its caller provides, and the parts the app adds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from processors.core.policy import Policy
from processors.sender.tables import SenderTables
from processors.streaming.fail_stop import FailStop, fail_stop
from processors.streaming.ordered_acks import OrderedAcks
from processors.streaming.ownership import Ownership
from schemas.codec import Codec
from schemas.ports import Clock, MessageList, Publisher, Revocations, SmsSender


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderPorts:
    """What the caller of ``create_sender_app`` provides, opens and closes.

    Args:
        sender: Calls Twilio.
        history: Reads Twilio's message list.
        publisher: Publishes to Kafka, placing a key where ``processors.streaming.partitioner`` does.
        revocations: Who must not be texted.
        clock: The time.
        policy: The senders, their limits, and what Twilio's error codes mean.
        codec: Encodes and decodes records and table values.
        calls: How many calls to Twilio this worker has open at once.
        reconcile_every_s: Seconds between two rounds of the reconciler, in the worker that owns partition 0.
        reconcile_window_s: How far back the deepest round reads Twilio's message list, seconds.
    """

    sender: SmsSender
    history: MessageList
    publisher: Publisher
    revocations: Revocations
    clock: Clock
    policy: Policy
    codec: Codec
    calls: int = 50
    reconcile_every_s: float = 300.0
    reconcile_window_s: float = 2 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDeps:
    """What the parts of the stage share.

    Args:
        ports: What the app's caller provides.
        tables: The stage's tables.
        acks: Orders steps and acknowledgements.
        fence: Whether this worker owns a partition.
        tick_s: Seconds between ticks, and the longest that one tick dispatches.
        fail: Ends the worker.
        sleep: Waits for a number of seconds.
    """

    ports: SenderPorts
    tables: SenderTables
    acks: OrderedAcks
    fence: Ownership
    tick_s: float
    fail: FailStop = fail_stop
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
