"""The errors of the Kafka connectors, named by what can be done about them. No error of a Kafka library leaves here.

```
KafkaConnectorError
├── KafkaStartError           the embedded broker did not start
├── PublishError              records were not acknowledged
├── ReadError                 a topic or an offset could not be read
├── AdminError                the broker refused or did not answer a change of topics
├── TopicDrift                a topic differs from the registry and may not be changed
└── SchemaRegistryError       the Schema Registry refused or did not answer
    └── IncompatibleSchema    a schema of this release cannot read earlier records
```
"""

from __future__ import annotations


class KafkaConnectorError(Exception):
    """Root of every error of the Kafka connectors."""


class KafkaStartError(KafkaConnectorError):
    """The embedded broker did not start; the text says why and what to do."""


class PublishError(KafkaConnectorError):
    """At least one record of a batch was not acknowledged; readers tolerate that the whole batch is published again."""


class ReadError(KafkaConnectorError):
    """The broker did not answer a read or a commit; the text names the topic or the broker."""


class AdminError(KafkaConnectorError):
    """The broker refused or did not answer a change of topics; the text names the topic."""


class TopicDrift(KafkaConnectorError):
    """A topic differs from the registry in a way that would break its readers if it were changed."""


class SchemaRegistryError(KafkaConnectorError):
    """The Schema Registry did not answer or refused; the text has its address and its answer."""


class IncompatibleSchema(SchemaRegistryError):
    """A schema of this release cannot read records of an earlier one; the text names the subject and what to do."""
