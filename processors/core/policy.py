"""The policy: rules of law and carriers, prices and this installation's senders, as frozen values.

``processors.policies.load`` builds it from data files; nothing here reads a file or changes a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Literal

from processors.core.inbound.auto_reply import DEFAULT_TEXTS, ReplyTexts
from processors.core.inbound.meaning import Meaning
from processors.core.sms.rate_card import RateCard
from processors.core.sms.retry_policy import Codes, RetrySchedule
from schemas.enums import Lane, MessageClass


class UnknownSenderError(LookupError):
    """A request names a sender or a pool that is not configured; the text lists those that are."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A configured sender. ``id`` is a number (E.164), a short code, an alphanumeric id or a Messaging Service SID.

    ``number_type`` decides price and default rate; ``mps`` is this sender's own share, in segments per second, of what
    its campaign may send.
    """

    id: str
    kind: Literal["number", "service"]
    number_type: str
    mps: float
    campaign: str | None = None


@dataclass(frozen=True, slots=True)
class SenderType:
    """A row of limits: segments per second of a type (and tier) of sender to a destination, ``ANY`` for others."""

    type: str
    tier: str
    destination: str
    mps: float


@dataclass(frozen=True, slots=True)
class ClassPolicy:
    """How messages of one class are treated.

    ``deadline``: how long after its request a message may be sent, unless the request names a deadline.
    ``on_unknown``: what ends a message whose unknown outcome no evidence settles: ``expire``, or ``park`` until a
    person decides. ``resend_after_acceptance``: whether a delivery failure starts another attempt by itself, where the
    row of its code has ``resend``.
    """

    lane: Lane
    deadline: timedelta
    on_unknown: Literal["expire", "park"]
    resend_after_acceptance: bool


@dataclass(frozen=True, slots=True)
class Timing:
    """Waits that no message class changes.

    ``message_window``: how long a message id is remembered, longer than any topic keeps a request. ``intent_life``: how
    long a durable intent permits its call. ``look_ups``: when Twilio's list is asked about an unknown attempt, counted
    from the end of the call; ``settle_by``: when its class's policy ends the wait. ``call_timeout``: how long a call
    may take. ``status_within``: how long a final status is waited for after acceptance.
    """

    message_window: timedelta
    intent_life: timedelta
    look_ups: tuple[timedelta, ...]
    settle_by: timedelta
    call_timeout: timedelta
    status_within: timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that a decision may depend on besides state and input."""

    codes: Codes
    rates: RateCard
    sender_types: tuple[SenderType, ...]
    classes: Mapping[MessageClass, ClassPolicy]
    keywords: Mapping[str, Meaning]
    retries: RetrySchedule
    timing: Timing
    senders: Mapping[str, Sender]
    pools: Mapping[str, tuple[str, ...]]
    default_pool: str
    time_zones: frozenset[str]
    texts: ReplyTexts = DEFAULT_TEXTS

    def sender(self, sender_id: str) -> Sender:
        """The sender of that id.

        Raises:
            UnknownSenderError: No such sender is configured.
        """
        try:
            return self.senders[sender_id]
        except KeyError:
            raise UnknownSenderError(f"sender {sender_id!r}: not one of {_listed(self.senders)}") from None

    def sender_for(self, person: str, pool: str | None = None) -> Sender:
        """The sender of a pool that always texts this person; without ``pool``, of the default pool.

        The choice is the same in every process. When a pool grows by one sender, only that sender's share of people
        moves (rendezvous hashing).

        Raises:
            UnknownSenderError: No such pool is configured.
        """
        name = self.default_pool if pool is None else pool
        try:
            members = self.pools[name]
        except KeyError:
            raise UnknownSenderError(f"sender pool {name!r}: not one of {_listed(self.pools)}") from None
        if len(members) == 1:
            return self.senders[members[0]]
        return self.senders[max(members, key=lambda member: _weight(person, member))]


def _weight(person: str, member: str) -> bytes:
    return blake2b(f"{person} {member}".encode(), digest_size=8).digest()


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none, as no sender is configured"
