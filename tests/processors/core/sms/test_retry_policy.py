"""When a failure is tried again, and when never."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.core.sms.retry_policy import (
    Again,
    Code,
    CodeAction,
    Never,
    Retry,
    RetrySchedule,
    code_for_not_sent,
    next_try,
    retry_delay,
)
from processors.policies.rows import shipped_policy
from processors.policies.tables import codes

CODES = codes(shipped_policy("twilio_codes.csv"))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCHEDULE = RetrySchedule(first=timedelta(seconds=5), longest=timedelta(minutes=15), tries=8)
DELAYS = st.timedeltas(timedelta(0), timedelta(days=2))


def after(
    code: Code,
    *,
    accepted: bool = False,
    resend_allowed: bool = True,
    tries: int = 1,
    deadline: timedelta = timedelta(days=1),
    retry_after: timedelta = timedelta(),
    message_id: str = "m-1",
) -> Again | Never:
    return next_try(
        code,
        accepted=accepted,
        resend_allowed=resend_allowed,
        tries=tries,
        schedule=SCHEDULE,
        deadline=NOW + deadline,
        now=NOW,
        message_id=message_id,
        retry_after=retry_after,
    )


def test_too_many_requests_is_tried_again_with_back_off() -> None:
    decision = after(CODES.find(20429))
    assert isinstance(decision, Again)
    assert timedelta(seconds=2.5) <= decision.at - NOW <= timedelta(seconds=5)


def test_an_attempt_that_never_left_us_is_tried_again() -> None:
    assert isinstance(after(code_for_not_sent("connection_refused")), Again)


def test_what_twilio_asks_for_is_waited_for() -> None:
    assert after(CODES.find(20429), retry_after=timedelta(hours=1)) == Again(NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (21610, Never("opted_out", "permanent")),
        (21211, Never("invalid_number", "permanent")),
        (21606, Never("invalid_sender", "needs_a_fix")),
        (20500, Never("server_error", "outcome_unknown")),
        (30410, Never("provider_timeout", "outcome_unknown")),
        (503, Never("server_error", "outcome_unknown")),
        (21998, Never("refused", "permanent")),
    ],
)
def test_permanent_broken_and_unknown_are_not_tried_again(code: int, expected: Never) -> None:
    assert after(CODES.find(code)) == expected


@pytest.mark.parametrize("code", [30001, 30022, 20504, 30500])
def test_what_certainly_never_left_twilio_is_sent_again_where_the_class_wants_it(code: int) -> None:
    assert isinstance(after(CODES.find(code), accepted=True), Again)
    assert after(CODES.find(code), accepted=True, resend_allowed=False) == Never(CODES.find(code).reason, "handed_over")


def test_no_other_code_is_sent_again_after_acceptance() -> None:
    again = {code for code, row in CODES.single.items() if isinstance(after(row, accepted=True), Again)}
    assert again == {30001, 30022, 20504, 30500}
    assert all(isinstance(after(row, accepted=True), Never) for _, _, row in CODES.ranges)


@pytest.mark.parametrize("code", [30003, 30008])
def test_an_unreachable_handset_is_left_to_a_replay(code: int) -> None:
    assert after(CODES.find(code), accepted=True) == Never(CODES.find(code).reason, "handed_over")


def test_a_codes_own_bound_on_tries_counts() -> None:
    assert isinstance(after(CODES.find(30500), accepted=True, tries=1), Again)
    assert after(CODES.find(30500), accepted=True, tries=2) == Never("twilio_internal_error", "tries_used_up")


def test_tries_end() -> None:
    assert after(CODES.find(20429), tries=8) == Never("too_many_requests", "tries_used_up")


@given(tries=st.integers(1, 10), deadline=DELAYS, retry_after=DELAYS, message_id=st.text())
def test_nothing_is_tried_at_or_after_its_deadline(
    tries: int, deadline: timedelta, retry_after: timedelta, message_id: str
) -> None:
    decision = after(CODES.find(20429), tries=tries, deadline=deadline, retry_after=retry_after, message_id=message_id)
    if isinstance(decision, Again):
        assert NOW + retry_after <= decision.at < NOW + deadline
    else:
        assert decision.because in ("deadline", "tries_used_up")


@given(tries=st.integers(1, 10_000), message_id=st.text())
def test_back_off_stays_between_half_and_all_of_its_bound(tries: int, message_id: str) -> None:
    bound = min(SCHEDULE.first * 2 ** min(tries - 1, 20), SCHEDULE.longest)
    wait = retry_delay(SCHEDULE, tries, message_id)
    assert bound / 2 <= wait <= bound
    assert wait == retry_delay(SCHEDULE, tries, message_id)


def test_messages_that_failed_together_do_not_return_together() -> None:
    waits = {retry_delay(SCHEDULE, 3, f"m-{number}") for number in range(100)}
    assert len(waits) > 90


def test_every_retry_word_is_decided() -> None:
    for retry in Retry:
        code = Code(
            code=1, meaning="test", retry=retry, resend=False, tries=None, action=CodeAction.NONE, reason="test"
        )
        assert isinstance(after(code), Again if retry is Retry.LATER else Never)
