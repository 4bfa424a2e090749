"""Who must not be texted, from the compacted topic every sender worker reads in full (port ``Revocations``)."""

from __future__ import annotations

from typing import Protocol

from processors.core.person.consent import newest_revocation, revocation_key, scopes_for
from schemas.codec import Codec
from schemas.records import Revocation


class Reference(Protocol):
    """A compacted topic in memory."""

    def get(self, key: bytes) -> bytes | None:
        """The newest value under a key."""
        ...

    def age(self) -> float | None:
        """Seconds since it was known to be complete; None before it ever was."""
        ...


class ReferenceRevocations:
    """Reads revocations where they are; none is decoded for a person who never said anything.

    After ``max_age_s`` seconds without touch with Kafka the knowledge counts as stale, and nobody is called.
    """

    def __init__(self, reference: Reference, codec: Codec, max_age_s: float = 10.0) -> None:
        self._reference = reference
        self._codec = codec
        self._max_age_s = max_age_s

    def revoked(self, person: str, program: str | None) -> bool:
        keys = (revocation_key(person, scope) for scope in scopes_for(program))
        values = [value for key in keys if (value := self._reference.get(key.encode()))]
        if not values:
            return False
        newest = newest_revocation(self._codec.decode(Revocation, value) for value in values)
        return newest is not None and newest.revoked

    def stale(self) -> str | None:
        age = self._reference.age()
        if age is None:
            return "never caught up with the revocations"
        return f"lost touch with the revocations for {age:.0f} s" if age > self._max_age_s else None
