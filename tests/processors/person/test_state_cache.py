"""What is remembered is what would have been read."""

from __future__ import annotations

from typing import Any

import pytest

from processors.person.state_cache import StateCache
from schemas.codec import Codec
from schemas.errors import DecodeError
from schemas.states import MessageState, Phase
from tests.builders import NOW, seconds
from tests.processors.person.cluster import request

CODEC = Codec()


def state(**changes: Any) -> MessageState:
    given = {"message_id": "m1", "phase": Phase.WAITING, "request": request(1), "request_hash": ""}
    return MessageState(**{**given, "deadline": NOW, "updated_at": NOW, **changes})


class Counting(Codec):
    """How often bytes were read."""

    reads = 0

    def decode(self, expected: type[Any], data: bytes | None) -> Any:
        self.reads += 1
        return super().decode(expected, data)


def test_a_state_is_not_read_again_while_its_bytes_are_those_it_was_written_as() -> None:
    codec = Counting()
    cache = StateCache(codec)
    value = cache.encode(b"k", state())

    assert cache.decode(b"k", bytes(bytearray(value))) == CODEC.decode(MessageState, value)
    assert codec.reads == 0


def test_bytes_somebody_else_wrote_are_read() -> None:
    cache = StateCache(CODEC)
    cache.encode(b"k", state())
    theirs = state(phase=Phase.FINISHED, updated_at=NOW + seconds(1))

    assert cache.decode(b"k", CODEC.encode(theirs)) == theirs
    assert cache.decode(b"other", CODEC.encode(theirs)) == theirs
    with pytest.raises(DecodeError):
        cache.decode(b"k", b"no state")


def test_the_oldest_are_forgotten() -> None:
    codec = Counting()
    cache = StateCache(codec, size=2)
    values = {key: cache.encode(key, state(message_id=key.decode())) for key in (b"a", b"b", b"a", b"c")}

    for key in (b"a", b"c", b"b"):
        assert cache.decode(key, values[key]).message_id == key.decode()
    assert codec.reads == 1
