from __future__ import annotations

from pathlib import Path

import pytest

from processors.person.app import person_changelogs, person_topics
from processors.streaming.app import AppConfig, StageApp
from processors.streaming.topics import TopicMismatch, require_topics


def test_changelogs_have_the_names_faust_gives_them(tmp_path: Path) -> None:
    app = StageApp("smsflow-person", AppConfig(broker="127.0.0.1:1", data_dir=tmp_path, instance_id="a"))
    fausts = {app.durable_table(name).changelog_topic_name for name in ("consent", "messages", "schedule")}

    changelogs = person_changelogs(6)

    assert {topic.name for topic in changelogs} == fausts
    assert {topic.partitions for topic in changelogs} == {6}
    assert {topic.cleanup_policy for topic in changelogs} == {"compact"}


def test_a_worker_refuses_missing_and_otherwise_split_topics() -> None:
    """Faust would idle in silence on the one and crash at a write on the other."""
    wanted = person_topics(4)
    found = {topic.name: topic.partitions for topic in wanted}
    require_topics(wanted, lambda: found)
    del found["sms-callbacks"]
    found["smsflow-person-schedule-changelog"] = 3

    with pytest.raises(TopicMismatch) as refused:
        require_topics(wanted, lambda: found)

    assert str(refused.value) == (
        "sms-callbacks: missing, wanted 4; smsflow-person-schedule-changelog: 3 partitions, wanted 4"
    )
