"""The delay grows with the failures, and no further than it may."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.backoff import backoff_delay


def test_the_delay_doubles_with_each_failure_up_to_its_bound() -> None:
    assert [backoff_delay(0.5, 30.0, failures) for failures in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff_delay(timedelta(seconds=5), timedelta(minutes=15), 3) == timedelta(seconds=20)


@given(failures=st.integers(1, 10**9), first=st.timedeltas(timedelta(0), timedelta(minutes=10)))
def test_no_number_of_failures_exceeds_the_bound(failures: int, first: timedelta) -> None:
    longest = timedelta(hours=1)
    assert first <= backoff_delay(first, longest, failures) <= longest
