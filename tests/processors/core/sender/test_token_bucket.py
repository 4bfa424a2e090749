"""A sender's bucket: never faster than allowed, never stuck."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.sender.token_bucket import TokenBucket, cool_down, faster, new_bucket, refill, slower, take

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RATES = st.floats(0.25, 225)
STEPS = st.lists(st.tuples(st.timedeltas(timedelta(0), timedelta(seconds=5)), st.integers(1, 24)), max_size=60)


def drained(rate: float, capacity: float | None = None) -> TokenBucket:
    return new_bucket(rate, NOW, capacity)


def test_a_new_bucket_is_empty_and_says_how_long_to_wait() -> None:
    state, granted, wait = take(drained(10), 1, NOW)
    assert not granted
    assert wait == timedelta(seconds=0.1)
    assert take(state, 1, NOW + wait)[1]


def test_a_full_bucket_grants_a_second_at_once() -> None:
    state = refill(drained(10), NOW + 60 * SECOND)
    assert state.tokens == 10
    for _ in range(10):
        state, granted, _ = take(state, 1, NOW + 60 * SECOND)
        assert granted
    assert not take(state, 1, NOW + 60 * SECOND)[1]


def test_a_message_larger_than_the_bucket_passes_and_leaves_a_debt() -> None:
    state, granted, _ = take(drained(1), 5, NOW + SECOND)
    assert granted
    assert state.tokens == -4
    assert take(state, 1, NOW + SECOND)[2] == 5 * SECOND


@given(rate=RATES, steps=STEPS)
def test_no_window_grants_more_than_capacity_rate_and_one_message(
    rate: float, steps: list[tuple[timedelta, int]]
) -> None:
    state, now = refill(drained(rate), NOW + 60 * SECOND), NOW + 60 * SECOND
    grants: list[tuple[datetime, int]] = []
    for pause, segments in steps:
        now += pause
        state, granted, _ = take(state, segments, now)
        if granted:
            grants.append((now, segments))
    for first, (start, _) in enumerate(grants):
        for last in range(first, len(grants)):
            total = sum(segments for _, segments in grants[first : last + 1])
            seconds = (grants[last][0] - start).total_seconds()
            assert total <= state.capacity + rate * seconds + grants[last][1] + 1e-6


@given(rate=RATES, steps=STEPS)
def test_waiting_as_told_is_enough_and_less_is_not(rate: float, steps: list[tuple[timedelta, int]]) -> None:
    state, now = drained(rate), NOW
    for pause, segments in steps:
        now += pause
        state, granted, wait = take(state, segments, now)
        if granted:
            assert wait == timedelta()
            continue
        assert wait > timedelta()
        assert not take(state, segments, now + wait * 0.99 - timedelta(microseconds=1))[1]
        assert take(state, segments, now + wait)[1]


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    state = refill(drained(10), NOW + 10 * SECOND)
    assert refill(state, NOW) == state


def test_a_cool_down_closes_the_bucket_and_empties_it() -> None:
    full = refill(drained(10), NOW + 60 * SECOND)
    closed = cool_down(full, NOW + 90 * SECOND)
    _, granted, wait = take(closed, 1, NOW + 61 * SECOND)
    assert not granted
    assert wait == timedelta(seconds=29.1)
    assert take(closed, 1, NOW + 61 * SECOND + wait)[1]


def test_a_shorter_cool_down_does_not_end_a_longer_one() -> None:
    closed = cool_down(drained(10), NOW + 90 * SECOND)
    assert cool_down(closed, NOW + 5 * SECOND).at == NOW + 90 * SECOND


def test_too_fast_halves_the_rate_once_for_calls_that_failed_together() -> None:
    state = slower(drained(16), NOW)
    assert state.rate == 8
    assert slower(state, NOW + SECOND / 2).rate == 8
    assert slower(state, NOW + SECOND).rate == 4


def test_too_fast_is_heard_right_after_a_rise() -> None:
    state = faster(slower(drained(16), NOW), NOW + 2 * SECOND)
    assert slower(state, NOW + 2 * SECOND).rate == pytest.approx(state.rate / 2)


def test_success_brings_the_rate_back_in_steps_and_never_beyond_the_ceiling() -> None:
    state = slower(drained(16), NOW)
    rates = []
    for second in range(1, 15):
        state = faster(state, NOW + second * SECOND)
        rates.append(state.rate)
    assert rates[0] == pytest.approx(8.8)
    assert rates[-1] == 16
    assert rates == sorted(rates)


@given(st.lists(st.tuples(st.booleans(), st.timedeltas(timedelta(0), timedelta(seconds=3))), max_size=80))
def test_the_rate_stays_between_its_floor_and_its_ceiling(signals: list[tuple[bool, timedelta]]) -> None:
    state, now = drained(32), NOW
    for good, pause in signals:
        now += pause
        state = faster(state, now) if good else slower(state, now)
        assert 2 <= state.rate <= 32
