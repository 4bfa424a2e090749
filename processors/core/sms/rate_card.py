"""What a message will cost: an estimate from a dated rate card, in exact decimals that keep their currency.

An SMS costs per segment, an MMS per message; each price is a base price plus a carrier fee. The recipient's carrier
isn't known beforehand, so the fee is the highest any carrier of the country takes: the estimate is an upper bound, and
what Twilio bills replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Literal

Kind = Literal["sms", "mms"]
Direction = Literal["outbound", "inbound"]
RateKey = tuple[str, str, Kind, Direction]
ANY = "*"


class NoRateError(Exception):
    """The rate card has no row for this message: add one, or a row for any country (``*``)."""


class MixedCurrenciesError(Exception):
    """Two amounts of different currencies were to be added: convert them first, at a dated rate."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount. ``rate_version`` names the row it was computed from, and is empty for a sum of several."""

    amount: Decimal
    currency: str
    rate_version: str = field(default="", compare=False)

    def __add__(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise MixedCurrenciesError(f"{self.amount} {self.currency} + {other.amount} {other.currency}")
        same = self.rate_version == other.rate_version
        return Money(self.amount + other.amount, self.currency, self.rate_version if same else "")


@dataclass(frozen=True, slots=True)
class Rate:
    """One row of the rate card: the price of one segment (SMS) or one message (MMS) in a span of days.

    ``since`` is included, ``until`` isn't; None leaves that side open. Country and number type may be `ANY`.
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
        """Stable name of the row, kept beside each estimate made from it."""
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
    """All rates, by key, each key's rows in order of time."""

    rates: Mapping[RateKey, tuple[Rate, ...]]

    @classmethod
    def of(cls, rates: Iterable[Rate]) -> RateCard:
        """The card of these rows.

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
        """The closest row in force: country and type, then the country's any type, then any country's.

        Raises:
            NoRateError: There is no such row.
        """
        for place, sender in ((country, number_type), (country, ANY), (ANY, number_type), (ANY, ANY)):
            for rate in self.rates.get((place, sender, kind, direction), ()):
                if rate.covers(day):
                    return rate
        raise NoRateError(f"no {direction} {kind} rate for {number_type} to {country} on {day}")


def estimate(segments: int, country: str, number_type: str, media: int, when: datetime, card: RateCard) -> Money:
    """What Twilio will bill for one message to a country from a kind of sender, by the rate of that day (UTC)."""
    kind: Kind = "mms" if media else "sms"
    rate = card.find(country, number_type, kind, "outbound", when.date())
    return Money(rate.each * (1 if media else segments), rate.currency, rate.version)
