"""The connections of a person worker: Kafka, and nothing else."""

from __future__ import annotations

from connectors.clock import SystemClock
from connectors.kafka.producer import KafkaPublisher
from processors.core.policy import Policy
from processors.person.dependencies import PersonPorts
from processors.settings.model import Settings
from processors.wiring.factories import build_cluster
from schemas.codec import Codec


def person_ports(settings: Settings, policy: Policy, codec: Codec) -> PersonPorts:
    """The ports of the person stage.

    Raises:
        InvalidSettings: The certificate files cannot be used.
    """
    publisher = KafkaPublisher(build_cluster(settings))
    return PersonPorts(publisher=publisher, clock=SystemClock(), policy=policy, codec=codec)
