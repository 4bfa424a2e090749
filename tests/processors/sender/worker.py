"""A sender worker in a process of its own, against the Twilio that its last argument names."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from connectors.clock import SystemClock
from connectors.kafka.producer import KafkaPublisher
from connectors.memory import MemoryRevocations
from connectors.twilio.api.account import TwilioAccount
from connectors.twilio.api.message_list import TwilioMessageList
from connectors.twilio.api.sender import TwilioSender
from processors.policies.load import load
from processors.sender.app import create_sender_app
from processors.sender.dependencies import SenderPorts
from processors.streaming.app import AppConfig
from processors.streaming.worker import run_worker
from schemas.codec import Codec

PARTITIONS = 4
SESSION_S, HEARTBEAT_S = 6.0, 1.0
FAST = tuple(f"+1500555{number:04d}" for number in range(8))
"""Senders that may send 10,000 segments a second; any other may send one."""


def main(broker: str, data_dir: str, instance: str, twilio: str) -> None:
    """Run until SIGTERM."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    account = TwilioAccount(
        account_sid="AC" + "0" * 32,
        user="AC" + "0" * 32,
        secret="secret",
        public_url="http://127.0.0.1:1",
        base_url=twilio,
    )
    transport, clock = account.transport(), SystemClock()
    config = AppConfig(
        broker=broker,
        data_dir=Path(data_dir),
        instance_id=instance,
        partitions=PARTITIONS,
        session_s=SESSION_S,
        heartbeat_s=HEARTBEAT_S,
        rebalance_s=25,
        tick_s=0.1,
    )
    ports = SenderPorts(
        sender=TwilioSender(account, transport, clock),
        history=TwilioMessageList(account, transport, clock),
        publisher=KafkaPublisher(broker),
        revocations=MemoryRevocations(),
        clock=clock,
        policy=load(senders=({"id": number, "number_type": "long_code", "mps": 10_000} for number in FAST)),
        codec=Codec(),
    )
    run_worker(create_sender_app(config, ports))


if __name__ == "__main__":
    main(*sys.argv[1:])
