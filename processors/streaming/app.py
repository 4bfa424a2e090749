"""The Faust app both stages are built on: raw bytes, durable tables, static membership, no web server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import faust
from faust.types.auth import CredentialsT
from faust.types.transports import TransportT

from processors.streaming import faust_patches
from processors.streaming.durable_table import DurableTable
from processors.streaming.fence import Fence
from processors.streaming.recovery import StageTableManager
from processors.streaming.transport import StageTransport
from schemas.topics import PARTITIONS

PERSON_APP = "smsflow-person"
SENDER_APP = "smsflow-sender"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConfig:
    """The settings of one worker process.

    Args:
        broker: Kafka's ``host:port,host:port``.
        data_dir: Belongs to this instance alone, and should survive it: the tables' RocksDB files.
        instance_id: Names the static group member: unique, and never shared by two live processes.
        partitions: How many each topic has.
        session_s: Seconds without a heartbeat after which Kafka gives a worker's partitions away.
        heartbeat_s: Seconds between heartbeats.
        rebalance_s: Seconds a rebalance waits for a worker that still has records in hand.
        commit_s: Seconds between commits.
        fence_margin_s: Seconds of ``session_s`` that a side effect may take at most.
        linger_s: Seconds a changelog record waits for others to go with.
        in_flight: Records handled at once.
        window: Handled records of one partition that wait for an unhandled one: what a crash repeats at most.
        buffer: Records fetched ahead.
        tick_s: Seconds between ticks.
        stall_s: Seconds without progress, although records wait, after which the worker stops.
        replication: The changelogs' replication factor.
        direct_delivery: Whether a record reaches its stream without a task of its own: half of Faust's CPU per record.
        credentials: How Faust's own clients get into the cluster.
    """

    broker: str
    data_dir: Path
    instance_id: str
    partitions: int = PARTITIONS
    session_s: float = 30.0
    heartbeat_s: float = 1.0
    rebalance_s: float = 60.0
    commit_s: float = 1.0
    fence_margin_s: float = 2.0
    linger_s: float = 0.002
    in_flight: int = 256
    window: int = 2048
    buffer: int = 4096
    tick_s: float = 0.25
    stall_s: float = 120.0
    replication: int = 1
    direct_delivery: bool = True
    credentials: CredentialsT | None = None


class StageApp(faust.App):
    """A stage's Faust app. Nothing connects before it runs.

    Args:
        name: The app's and the consumer group's name.
        config: This worker's settings.

    Raises:
        UnsupportedVersion: Faust, mode or aiokafka is not the version that smsflow's patches were written for.
    """

    fence: Fence

    def __init__(self, name: str, config: AppConfig) -> None:
        faust_patches.install()
        super().__init__(name, **_options(name, config))
        self.fence = Fence(self, config.session_s, config.fence_margin_s)
        self._direct_delivery = config.direct_delivery

    def durable_table(self, name: str) -> DurableTable:
        """A new table of this app, with as many partitions as its topics."""
        return cast(DurableTable, self.Table(name))

    def _new_transport(self) -> TransportT:
        return StageTransport(self, self.fence, direct_delivery=self._direct_delivery)


def _options(name: str, config: AppConfig) -> dict[str, Any]:
    """Faust's settings."""
    return {
        "broker": "kafka://" + config.broker.replace(",", ";"),
        "broker_credentials": config.credentials,
        "datadir": config.data_dir / name,
        "store": "rocksdb://",
        "Table": DurableTable,
        "TableManager": StageTableManager,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "autodiscover": False,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
        "consumer_group_instance_id": f"{name}-{config.instance_id}",
        "consumer_auto_offset_reset": "earliest",
        "broker_session_timeout": config.session_s,
        "broker_heartbeat_interval": config.heartbeat_s,
        "broker_rebalance_timeout": config.rebalance_s,
        "broker_request_timeout": max(90.0, config.session_s * 2),  # Faust refuses one below the session time-out
        "broker_commit_interval": config.commit_s,
        "producer_linger": config.linger_s,
        "producer_acks": -1,
        "producer_request_timeout": 30.0,
        "stream_buffer_maxsize": config.buffer,
        "stream_wait_empty": True,
        "table_standby_replicas": 1,
        "topic_partitions": config.partitions,
        "topic_replication_factor": config.replication,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
    }
