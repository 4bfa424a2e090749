"""Who must not be texted, from the compacted topic that every sender worker reads in full (port ``Revocations``)."""

from __future__ import annotations

from typing import Protocol

from processors.core.person.consent import newest_revocation, revocation_key, scopes_for
from schemas.codec import Codec
from schemas.records import Revocation


class CompactedValues(Protocol):
    """A compacted topic in memory."""

    def get(self, key: bytes) -> bytes | None:
        """The newest value under a key."""
        ...

    def age(self) -> float | None:
        """Seconds since the values were known to be complete; None before they ever were."""
        ...


class TopicRevocations:
    """Looks revocations up in the topic's values. Nothing is decoded for a person who never said STOP or START.

    Args:
        values: The revocations topic in memory.
        codec: Decodes its values.
        max_age_s: Seconds without contact to Kafka after which the revocations are stale, and nobody is called.
    """

    def __init__(self, values: CompactedValues, codec: Codec, max_age_s: float = 10.0) -> None:
        self._values = values
        self._codec = codec
        self._max_age_s = max_age_s

    def revoked(self, person: str, program: str | None) -> bool:
        """Whether the newest word of the person, to everything or to this program, is STOP.

        Raises:
            DecodeError: A value cannot be read.
        """
        keys = (revocation_key(person, scope) for scope in scopes_for(program))
        values = [value for key in keys if (value := self._values.get(key.encode()))]
        if not values:
            return False
        newest = newest_revocation(self._codec.decode(Revocation, value) for value in values)
        return newest is not None and newest.revoked

    def stale(self) -> str | None:
        """Why the revocations cannot be trusted now, or None."""
        age = self._values.age()
        if age is None:
            return "never caught up with the revocations"
        return f"lost touch with the revocations for {age:.0f} s" if age > self._max_age_s else None
