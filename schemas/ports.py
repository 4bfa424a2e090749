"""What the stages need from outside, as Protocols: order and guarantees stand here, adapters only keep them.

Adapters live in ``connectors``; ``connectors.memory`` has a double of each that passes the same contract suite.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Protocol

from schemas.codec import EncodedRecord
from schemas.records import AttemptResult, Dispatch, ListEntry

LastCheck = Callable[[], str | None]
"""Called when a connection stands and before a byte of the request is written: None, or the reason not to call.

It alone decides: the deadline, the intent, the ownership of the partition and the revocations are its task, and it
records the time of the call.
"""


class Clock(Protocol):
    """Time as an argument's source; tests turn it by hand."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC, whole milliseconds, so that a time equals what is read back of it."""
        ...

    def elapsed(self) -> float:
        """Seconds on a clock that never jumps and, where the system has one, counts suspended time too."""
        ...


class SmsSender(Protocol):
    """Asks Twilio to send one message and says only what is certain of it."""

    async def send(self, attempt: Dispatch, last_check: LastCheck) -> AttemptResult:
        """Make one call, at most once, and never raise for anything Twilio or the network does.

        ``last_check`` is called synchronously when nothing but the write is left; a reason it returns is answered as
        ``not_sent``. A lost answer is ``unknown`` and not tried again here. Ends within ``timeout``. The result has no
        ``called_at``.
        """
        ...

    @property
    def timeout(self) -> float:
        """Seconds after which a call has ended, whatever happened."""
        ...


class MessageList(Protocol):
    """Reads Twilio's message list. Reading changes nothing, so a failed read may be repeated."""

    async def find(self, look_up: Dispatch) -> AttemptResult:
        """What became of an attempt: ``accepted`` with its SID, ``absent``, or ``unknown`` if the list cannot be read.

        It is the attempt's message if `To` and body agree, it was created between ``called_after`` and
        ``called_before`` and its SID is not in ``claimed_sids``.
        """
        ...

    def entries(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[ListEntry]]:
        """Every outbound message of that time, a page at a time. Raises MessageListUnavailable."""
        ...


class Publisher(Protocol):
    """Writes to Kafka."""

    async def publish(self, records: Sequence[EncodedRecord]) -> None:
        """Return when all in-sync replicas have all records; those of one key in order. Raises PublishError."""
        ...


class Revocations(Protocol):
    """Who must not be texted, as every sender worker knows it."""

    def revoked(self, person: str, program: str | None) -> bool:
        """Whether the person said STOP to everything or to this program."""
        ...

    def stale(self) -> str | None:
        """Why this knowledge cannot be trusted now (never caught up, lost touch with Kafka), or None."""
        ...


class KafkaRecord(Protocol):
    """One Kafka record as it was read. ``timestamp`` is UTC."""

    @property
    def topic(self) -> str:
        """The topic it was read from."""
        ...

    @property
    def partition(self) -> int:
        """The partition it was read from."""
        ...

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value."""
        ...

    @property
    def timestamp(self) -> datetime:
        """When it was published, by the producer's clock or the broker's."""
        ...
