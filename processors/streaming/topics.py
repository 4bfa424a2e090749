"""The topics an app needs: its changelogs, and a check that all its topics are there before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from schemas.topics import DAY_MS, KeySpace, Topic

_CHANGELOG_CONFIG = {
    "min.cleanable.dirty.ratio": "0.2",
    "segment.ms": str(60 * 60 * 1000),
    "delete.retention.ms": str(7 * DAY_MS),  # longer than a standby may be away
}


class TopicMismatch(Exception):
    """Topics are missing or have another number of partitions: create them (``smsflow topics apply``) first."""


def changelog_topics(app_id: str, tables: Mapping[str, type], key: KeySpace, partitions: int) -> tuple[Topic, ...]:
    """The topics behind an app's tables, as the admin must create them.

    Args:
        app_id: The app's name, which Faust puts before the table's.
        tables: Name of table → what its values are: a state of ``schemas.states``, or bytes.
        key: What the tables are partitioned by.
        partitions: How many each topic has.
    """
    return tuple(
        Topic(
            f"{app_id}-{table}-changelog",
            key,
            value_type,
            partitions=partitions,
            retention_ms=None,
            cleanup_policy="compact",
            config=_CHANGELOG_CONFIG,
        )
        for table, value_type in tables.items()
    )


def require_topics(wanted: Iterable[Topic], partition_counts: Callable[[], Mapping[str, int]]) -> None:
    """Refuse topics that are missing or have another number of partitions: Faust would idle or crash at a write.

    Args:
        wanted: The topics an app needs.
        partition_counts: Asks Kafka: topic → its number of partitions.

    Raises:
        TopicMismatch: Names every difference.
    """
    found = partition_counts()
    wrong = [
        f"{topic.name}: {'missing' if topic.name not in found else f'{found[topic.name]} partitions'}, "
        f"wanted {topic.partitions}"
        for topic in wanted
        if found.get(topic.name) != topic.partitions
    ]
    if wrong:
        raise TopicMismatch("; ".join(wrong))
