"""What can go wrong with Kafka here, named by what can be done about it. No SDK's exception leaves this package."""

from __future__ import annotations


class KafkaConnectorError(Exception):
    """Root of everything this package raises."""


class KafkaStartError(KafkaConnectorError):
    """The embedded broker did not start; the text says why and what helps."""


class PublishError(KafkaConnectorError):
    """At least one record of a batch was not acknowledged; publishing the whole batch again is safe for readers."""


class ReadError(KafkaConnectorError):
    """The broker did not answer a read; what was asked and which broker are named."""


class AdminError(KafkaConnectorError):
    """The broker refused or did not answer a change of topics; the topic is named."""


class TopicDrift(KafkaConnectorError):
    """A topic differs from the registry in a way that may not be changed behind its readers' backs."""


class SchemaRegistryError(KafkaConnectorError):
    """The Schema Registry did not answer, or refused; its address and words are named."""


class IncompatibleSchema(SchemaRegistryError):
    """A schema of this release cannot read what an earlier one wrote; the subject and the fix are named."""
