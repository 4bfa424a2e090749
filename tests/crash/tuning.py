"""What the crash tests run: commands, settings, senders and faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTITIONS = 4
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "simulator": ("simulator",),
    "ingester": ("ingest",),
    "sink": ("sink",),
    "person": ("worker", "person"),
    "sender": ("worker", "sender"),
}
TUNING = {
    "SMSFLOW_PARTITIONS": str(PARTITIONS),
    "SMSFLOW_REPLICATION": "1",
    "SMSFLOW_WORKER_INSTANCE_ID": "1",
    "SMSFLOW_WORKER_SESSION_S": "6",
    "SMSFLOW_WORKER_HEARTBEAT_S": "1",
    "SMSFLOW_WORKER_REBALANCE_S": "15",
    "SMSFLOW_INTERVALS_RECONCILE_EVERY_S": "2",
    "SMSFLOW_INTERVALS_RECONCILE_BACK_S": "180",
    "SMSFLOW_INTERVALS_TICK_S": "0.1",
    "SMSFLOW_SINK_LINGER_S": "0.5",
    "SMSFLOW_SIMULATOR_QUICK": "true",
    # An outcome is unknown after 2 s at most, is looked up 3 s later, and is given up 6 s after the end of its call.
    "SMSFLOW_TIMING_INTENT_LIFE_S": "2",
    "SMSFLOW_TWILIO_TIMEOUT_S": "2",
    "SMSFLOW_TIMING_LOOK_UPS_S": "1,3",
    "SMSFLOW_TIMING_SETTLE_BY_S": "6",
}
LOSSES: tuple[Mapping[str, Any], ...] = (
    {"fault": "accept_then_drop", "probability": 0.05},
    {"fault": "accept_then_500", "probability": 0.03},
    {"fault": "accept_then_503", "probability": 0.02},
    {"fault": "500_without_effect", "probability": 0.03},
    {"fault": "hang", "probability": 0.02, "seconds": 4, "accepted": True},
    {"fault": "hang", "probability": 0.02, "seconds": 4, "accepted": False},
    {"fault": "slow", "probability": 0.02, "seconds": 3},
    {"fault": "reset_before", "probability": 0.03},
    {"fault": "garbage_201", "probability": 0.03},
    {"fault": "429", "probability": 0.02},
)
"""Faults of the simulator's create call while processes die."""
BAD_CALLBACKS = {"late": 0.1, "lost": 0.05, "duplicated": 0.1, "reordered": 0.05, "late_by_seconds": 1}
"""Faults of the simulator's callbacks while processes die."""

STAGES = ("person", "sender")
SENDERS = ("+12025550111", "+12025550104", "+12025550100", "+12025550102", "+18335550102", "55555")
"""At least one for each of the four partitions, so that every worker owns some."""
