"""Money is exact, keeps its currency, and names the row it came from."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.sms.rate_card import (
    Direction,
    Kind,
    Money,
    NoRateError,
    Rate,
    RateCard,
    estimate,
)

AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=6)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def rate(
    country: str = "US",
    number_type: str = "*",
    base: str = "0.0083",
    fee: str = "0.0045",
    since: date | None = None,
    until: date | None = None,
    kind: Kind = "sms",
    direction: Direction = "outbound",
) -> Rate:
    return Rate(country, number_type, kind, direction, Decimal(base), Decimal(fee), "USD", since, until)


CARD = RateCard.of(
    [
        rate(since=date(2026, 1, 19)),
        rate(fee="0.0030", until=date(2026, 1, 19)),
        rate(number_type="short_code", base="0.01"),
        rate(kind="mms", base="0.022", fee="0.01"),
        rate(country="*", base="0.1", fee="0"),
        rate(country="*", kind="mms", base="0.3", fee="0"),
    ]
)


def test_a_text_costs_base_and_fee_for_each_segment() -> None:
    cost = estimate(3, "US", "10dlc", 0, NOW, CARD)
    assert cost == Money(Decimal("0.0384"), "USD")


def test_a_message_with_media_costs_once_whatever_its_text() -> None:
    assert estimate(3, "US", "10dlc", 2, NOW, CARD).amount == Decimal("0.032")


@pytest.mark.parametrize(("day", "amount"), [(18, "0.0113"), (19, "0.0128")])
def test_the_rate_of_the_day_counts(day: int, amount: str) -> None:
    when = datetime(2026, 1, day, 23, 59, tzinfo=UTC)
    assert estimate(1, "US", "10dlc", 0, when, CARD).amount == Decimal(amount)


@pytest.mark.parametrize(
    ("country", "number_type", "amount"),
    [("US", "short_code", "0.0145"), ("US", "toll_free", "0.0128"), ("FR", "short_code", "0.1")],
)
def test_the_closest_row_wins(country: str, number_type: str, amount: str) -> None:
    assert estimate(1, country, number_type, 0, NOW, CARD).amount == Decimal(amount)


def test_a_card_without_a_row_says_what_is_missing() -> None:
    with pytest.raises(NoRateError, match="no outbound sms rate for 10dlc to DE on 2026-11-23"):
        estimate(1, "DE", "10dlc", 0, NOW, RateCard.of([rate()]))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((None, None), (None, None)),
        ((None, None), (date(2026, 1, 1), None)),
        ((date(2025, 1, 1), date(2026, 1, 2)), (date(2026, 1, 1), None)),
    ],
)
def test_two_rows_for_one_day_are_refused(
    first: tuple[date | None, date | None], second: tuple[date | None, date | None]
) -> None:
    rows = [rate(since=since, until=until) for since, until in (first, second)]
    with pytest.raises(ValueError, match="overlap"):
        RateCard.of(rows)


@given(segments=st.integers(1, 24), more=st.integers(1, 24))
def test_estimates_grow_by_whole_segments(segments: int, more: int) -> None:
    one, other, both = (estimate(count, "US", "10dlc", 0, NOW, CARD) for count in (segments, more, segments + more))
    assert one.amount + other.amount == both.amount
