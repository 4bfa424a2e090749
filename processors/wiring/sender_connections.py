"""The connections of a sender worker (Twilio, the revocations topic, Kafka), opened and closed with its app."""

from __future__ import annotations

import math

import mode

from connectors.clock import SystemClock
from connectors.kafka.compacted_topic import CompactedTopic
from connectors.kafka.producer import KafkaPublisher
from connectors.twilio.api.message_list import TwilioMessageList
from connectors.twilio.api.sender import TwilioSender
from processors.core.policy import Policy
from processors.sender.dependencies import SenderPorts
from processors.sender.revocations import TopicRevocations
from processors.settings.model import Settings
from processors.wiring.factories import build_cluster
from processors.wiring.twilio_account import build_account
from schemas.codec import Codec
from schemas.topics import SMS_REVOCATIONS


class _RevocationsTopic:
    """The revocations topic as ``TopicRevocations`` reads it. Its age counts the time this machine was suspended."""

    def __init__(self, topic: CompactedTopic, clock: SystemClock) -> None:
        self._topic = topic
        self._clock = clock

    def get(self, key: bytes) -> bytes | None:
        return self._topic.get(key)

    def age(self) -> float | None:
        age = self._topic.age(self._clock.elapsed())
        return None if math.isinf(age) else age


class SenderConnections(mode.Service):
    """A service that starts before the app and stops after it.

    No call is made until the revocations have been read: an unknown revocation counts as one.

    Args:
        settings: The worker's settings.
        policy: The policy.
        codec: The codec.

    Raises:
        InvalidSettings: The certificate files or Twilio's credentials cannot be used.
    """

    def __init__(self, settings: Settings, policy: Policy, codec: Codec) -> None:
        super().__init__()
        self._settings = settings
        self._policy = policy
        self._codec = codec
        self._clock = SystemClock()
        self._account = build_account(settings)
        self._transport = self._account.transport()
        self._revocations = CompactedTopic(build_cluster(settings), SMS_REVOCATIONS.name, self._clock.elapsed)

    def ports(self) -> SenderPorts:
        """The ports of the sender stage over these connections."""
        settings, clock = self._settings, self._clock
        return SenderPorts(
            sender=TwilioSender(self._account, self._transport, clock),
            history=TwilioMessageList(self._account, self._transport, clock),
            publisher=KafkaPublisher(build_cluster(settings)),
            revocations=TopicRevocations(_RevocationsTopic(self._revocations, clock), self._codec),
            clock=clock,
            policy=self._policy,
            codec=self._codec,
            calls=settings.worker.concurrency,
            reconcile_every_s=settings.intervals.reconcile_every_s,
            reconcile_window_s=settings.intervals.reconcile_back_s,
        )

    async def on_start(self) -> None:
        """Start reading the revocations."""
        await self._revocations.start()

    async def on_stop(self) -> None:
        """Stop reading, and close the connections to Twilio."""
        await self._revocations.stop()
        await self._transport.close()
