"""The registry is complete and consistent."""

import re

from schemas.topics import BY_NAME, PUBLIC, REGISTRY, KeySpace, registry


def test_names_are_unique_and_spelled_alike() -> None:
    assert len(BY_NAME) == len(REGISTRY)
    assert all(re.fullmatch(r"sms-[a-z]+(-[a-z]+)*", name) for name in BY_NAME)


def test_every_live_topic_has_a_dead_letter_that_outlives_it() -> None:
    for topic in REGISTRY:
        if topic.dead_letter is None:
            continue
        dead_letter = BY_NAME[topic.dead_letter]
        assert dead_letter.key is topic.key
        assert (dead_letter.retention_ms or 0) >= (topic.retention_ms or 0)


def test_all_topics_of_a_key_space_have_as_many_partitions() -> None:
    resized = registry(5)
    assert {topic.partitions for topic in resized if topic.key is not KeySpace.REFERENCE} == {5}
    assert {topic.partitions for topic in resized if topic.key is KeySpace.REFERENCE} == {1}


def test_the_public_topics_are_keyed_by_person() -> None:
    assert {topic.key for topic in PUBLIC} == {KeySpace.PERSON}
