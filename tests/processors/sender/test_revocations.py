from __future__ import annotations

import pytest

from processors.sender.revocations import TopicRevocations
from schemas.codec import Codec
from schemas.records import Revocation
from tests.builders import NOW, PERSON, seconds

CODEC = Codec()


class MemoryValues:
    """A compacted topic with what a test puts there."""

    def __init__(self, *revocations: Revocation) -> None:
        self.values = {f"{word.person}|{word.scope}".encode(): CODEC.encode(word) for word in revocations}
        self.seconds: float | None = 0.0

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def age(self) -> float | None:
        return self.seconds


def word(scope: str = "all", *, revoked: bool = True, after_s: float = 0) -> Revocation:
    return Revocation(person=PERSON, scope=scope, revoked=revoked, source_id="c1", occurred_at=NOW + seconds(after_s))


def known(*words: Revocation) -> TopicRevocations:
    return TopicRevocations(MemoryValues(*words), CODEC)


def test_nobody_is_revoked_who_never_said_anything() -> None:
    assert not known().revoked(PERSON, "alerts")


@pytest.mark.parametrize("program", [None, "alerts"])
def test_stop_to_all_covers_every_program(program: str | None) -> None:
    assert known(word()).revoked(PERSON, program)


def test_stop_to_a_program_covers_only_that_one() -> None:
    revocations = known(word("program:alerts"))

    assert revocations.revoked(PERSON, "alerts")
    assert not revocations.revoked(PERSON, "news")
    assert not revocations.revoked(PERSON, None)


def test_the_newest_word_holds() -> None:
    assert not known(word(revoked=False)).revoked(PERSON, None)
    assert not known(word(), word("program:alerts", revoked=False, after_s=1)).revoked(PERSON, "alerts")
    assert known(word(after_s=1), word("program:alerts", revoked=False)).revoked(PERSON, "alerts")


def test_knowledge_is_stale_before_it_is_complete_and_when_kafka_is_out_of_touch() -> None:
    values = MemoryValues()
    revocations = TopicRevocations(values, CODEC, max_age_s=10)

    assert revocations.stale() is None
    values.seconds = 10.1
    assert revocations.stale() == "lost touch with the revocations for 10 s"
    values.seconds = None
    assert revocations.stale() == "never caught up with the revocations"
