"""What a message will cost: an estimate from a dated rate card, as an exact decimal with its currency.

An SMS costs per segment, an MMS per message. Each price is a base price plus a carrier fee. The recipient's carrier is
not known beforehand, so the fee is the highest that any carrier of the country takes: the estimate is an upper bound,
and the price that Twilio bills replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Literal

Kind = Literal["sms", "mms"]
Direction = Literal["outbound", "inbound"]
RateKey = tuple[str, str, Kind, Direction]
ANY = "*"
"""The country or number type of a row for all others."""


class NoRateError(Exception):
    """The rate card has no row for this message: add one, or a row for any country (``*``)."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in a currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Rate:
    """One row of the rate card: the price of one segment (SMS) or one message (MMS) in a span of days.

    Attributes:
        country: ISO 3166 code, or ``ANY``.
        number_type: The sender's type, or ``ANY``.
        since: The first day (UTC), or None.
        until: The first day (UTC) on which the row is no longer in force, or None.
    """

    country: str
    number_type: str
    kind: Kind
    direction: Direction
    base: Decimal
    carrier_fee: Decimal
    currency: str
    since: date | None
    until: date | None

    @property
    def key(self) -> RateKey:
        """Which messages the row is for."""
        return self.country, self.number_type, self.kind, self.direction

    @property
    def version(self) -> str:
        """The row's name in error texts."""
        return f"{self.country}/{self.number_type}/{self.kind}@{self.since or 'always'}"

    @property
    def each(self) -> Decimal:
        """Base price and carrier fee together."""
        return self.base + self.carrier_fee

    def covers(self, day: date) -> bool:
        """Whether the row is in force on that day (UTC)."""
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class RateCard:
    """All rates, by key. The rows of one key are in order of time."""

    rates: Mapping[RateKey, tuple[Rate, ...]]

    @classmethod
    def of(cls, rates: Iterable[Rate]) -> RateCard:
        """A rate card of these rows.

        Raises:
            ValueError: Two rows of one key are in force on the same day.
        """
        rows: dict[RateKey, list[Rate]] = {}
        for rate in sorted(rates, key=lambda rate: (rate.key, rate.since or date.min)):
            rows.setdefault(rate.key, []).append(rate)
        for earlier, later in (pair for same in rows.values() for pair in pairwise(same)):
            if earlier.until is None or later.since is None or later.since < earlier.until:
                raise ValueError(f"{earlier.version} and {later.version} overlap")
        return cls({key: tuple(same) for key, same in rows.items()})

    def find(self, country: str, number_type: str, kind: Kind, direction: Direction, day: date) -> Rate:
        """The row in force for country and number type, else for the country, for the number type, or for all.

        Raises:
            NoRateError: The rate card has no such row.
        """
        for place, sender in ((country, number_type), (country, ANY), (ANY, number_type), (ANY, ANY)):
            for rate in self.rates.get((place, sender, kind, direction), ()):
                if rate.covers(day):
                    return rate
        raise NoRateError(f"no {direction} {kind} rate for {number_type} to {country} on {day}")


def estimate(segments: int, country: str, number_type: str, media: int, when: datetime, card: RateCard) -> Money:
    """What Twilio will bill for one message, at most.

    Args:
        segments: How many segments the text has.
        country: The recipient's, as an ISO 3166 code.
        number_type: The sender's.
        media: How many media files; any makes the message an MMS.
        when: The day (UTC) whose rate counts.
        card: The rates.

    Raises:
        NoRateError: The rate card has no row for the message.
    """
    kind: Kind = "mms" if media else "sms"
    rate = card.find(country, number_type, kind, "outbound", when.date())
    return Money(rate.each * (1 if media else segments), rate.currency)
