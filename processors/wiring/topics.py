"""The topics of an installation, and how they get to the broker."""

from __future__ import annotations

import click

from connectors.kafka.admin import Drift, KafkaAdmin
from connectors.kafka.errors import KafkaConnectorError
from processors.person.app import person_changelogs
from processors.sender.app import sender_changelogs
from processors.settings.model import Settings
from processors.streaming.topics import TopicMismatch, require_topics
from processors.wiring.factories import build_cluster
from schemas.topics import Topic, registry


def all_topics(partitions: int) -> tuple[Topic, ...]:
    """The registry's topics, and the changelogs of both stages."""
    return (*registry(partitions), *person_changelogs(partitions), *sender_changelogs(partitions))


def apply_topics(settings: Settings) -> list[Drift]:
    """Create the topics that are missing and correct those that differ.

    Returns:
        What was done.

    Raises:
        AdminError: The broker does not answer, or refuses.
        TopicDrift: A difference that must not be corrected by itself, like the number of partitions.
    """
    return KafkaAdmin(build_cluster(settings)).apply(all_topics(settings.partitions), settings.replication)


def check_topics(settings: Settings, topics: tuple[Topic, ...]) -> None:
    """Check that these topics are at the broker, with the right number of partitions.

    Raises:
        click.ClickException: They are not, or the broker does not answer.
    """
    try:
        require_topics(topics, KafkaAdmin(build_cluster(settings)).partition_counts)
    except TopicMismatch as error:
        raise click.ClickException(f"{error}\nrun: smsflow topics apply") from error
    except KafkaConnectorError as error:
        raise click.ClickException(str(error)) from error
