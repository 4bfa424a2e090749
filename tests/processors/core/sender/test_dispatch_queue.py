from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from processors.core.sender.dispatch_queue import LONG_PAUSE, DispatchQueue
from schemas.enums import Lane, Outcome
from schemas.reasons import AttemptReason
from schemas.records import Dispatch
from schemas.states import ThrottleState
from tests.builders import NOW, NUMBER, SERVICE, dispatch, policy, result, seconds

RATE = 2.0


def full_queue(rate: float = RATE, now: datetime = NOW) -> DispatchQueue:
    """A queue whose buckets are full."""
    made = DispatchQueue(lambda _: rate, policy().codes)
    assert not made.try_acquire(dispatch(), now - timedelta(minutes=1))  # a new bucket is empty
    return made


def named(name: str, **changes: object) -> Dispatch:
    return dispatch(attempt_id=f"{name}/1", message_id=name, **changes)


def drain(full: DispatchQueue, now: datetime) -> list[str]:
    """Who may go at this instant, in order."""
    gone = []
    while (attempt_id := full.pop_ready(now)) is not None:
        gone.append(attempt_id.partition("/")[0])
    return gone


def test_a_command_goes_at_once_while_its_sender_has_segments_left() -> None:
    first = full_queue()

    assert [first.try_acquire(dispatch(), NOW) for _ in range(3)] == [True, True, False]


def test_one_sender_does_not_wait_for_another() -> None:
    first = full_queue()
    while first.try_acquire(dispatch(), NOW):
        pass
    first.try_acquire(dispatch(sender=SERVICE), NOW)

    assert first.try_acquire(dispatch(sender=SERVICE), NOW + seconds(1))


def test_a_new_command_does_not_overtake_its_lane_or_a_more_urgent_one() -> None:
    first = full_queue()
    first.enqueue(named("waits"), NOW)

    assert not first.try_acquire(named("same"), NOW)
    assert not first.try_acquire(named("bulk", lane=Lane.BULK), NOW)
    assert first.try_acquire(named("urgent", lane=Lane.URGENT), NOW)
    assert first.try_acquire(named("other", sender=SERVICE), NOW) is False  # its bucket is new
    assert drain(first, NOW) == ["waits"]


def test_what_waits_goes_in_the_order_of_lanes_and_by_tenants_in_turn() -> None:
    first = full_queue(rate=100)
    for name in ("a1", "a2"):
        first.enqueue(named(name, lane=Lane.BULK, tenant="a", segments=10), NOW)
    first.enqueue(named("b1", lane=Lane.BULK, tenant="b", segments=10), NOW)
    first.enqueue(named("normal"), NOW)
    first.enqueue(named("urgent", lane=Lane.URGENT), NOW)

    assert drain(first, NOW) == ["urgent", "normal", "a1", "b1", "a2"]


def test_it_tells_when_to_come_back_and_then_somebody_goes() -> None:
    first = full_queue()
    for name in ("a", "b", "c"):
        first.enqueue(named(name), NOW)

    assert drain(first, NOW) == ["a", "b"]
    due_at = first.next_due_at(NOW)
    assert due_at == NOW + seconds(0.5)
    assert drain(first, due_at - timedelta(milliseconds=1)) == []
    assert drain(first, due_at) == ["c"]
    assert first.next_due_at(NOW) == named("c").deadline  # it is being handled; what is left comes to nothing


def test_what_expires_in_the_queue_comes_out_once_and_spends_nothing() -> None:
    first = full_queue(rate=1)
    first.enqueue(named("late", deadline=NOW + seconds(0.1)), NOW - seconds(1))
    first.enqueue(named("good"), NOW - seconds(1))

    assert first.pop_expired(NOW + seconds(1)) == ["late/1"]
    assert first.pop_expired(NOW + seconds(1)) == []
    assert drain(first, NOW + seconds(1)) == ["good"]


def test_what_is_being_handled_does_not_come_out_again_when_it_expires() -> None:
    first = full_queue()
    first.enqueue(named("a", deadline=NOW + seconds(1)), NOW)

    assert drain(first, NOW) == ["a"]
    assert first.pop_expired(NOW + seconds(2)) == []


def test_a_queued_command_is_known_until_it_is_answered() -> None:
    first = full_queue()
    first.enqueue(dispatch(), NOW)

    assert "m1/1" in first
    assert drain(first, NOW) == ["m1"]
    assert "m1/1" in first
    first.remove("m1/1")
    assert "m1/1" not in first
    assert len(first) == 0


def test_what_could_not_be_done_goes_back_into_the_queue() -> None:
    first = full_queue()
    first.enqueue(dispatch(), NOW)
    assert drain(first, NOW) == ["m1"]

    first.enqueue(dispatch(), NOW)

    assert drain(first, NOW) == ["m1"]


def test_too_many_requests_halves_the_rate_and_rests_for_as_long_as_twilio_asks() -> None:
    first = full_queue()
    limited = result(outcome=Outcome.NOT_SENT, reason="rate_limited", code=20429, retry_after_ms=4000)

    cooldown = first.on_result(limited, NOW)

    assert cooldown is not None
    assert cooldown.until == NOW + seconds(4)
    assert not cooldown.alert
    assert not first.try_acquire(dispatch(), NOW + seconds(4))
    assert first.try_acquire(dispatch(), NOW + seconds(5))  # one segment a second now, of two
    assert not first.try_acquire(dispatch(), NOW + seconds(5))


def test_without_a_word_from_twilio_each_failure_doubles_the_rest() -> None:
    first, now, rests = full_queue(), NOW, []
    for _ in range(9):
        cooldown = first.on_result(result(outcome=Outcome.NOT_SENT, reason="connection_failed"), now)
        assert cooldown is not None
        rests.append((cooldown.until - now).total_seconds())
        now = cooldown.until

    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_calls_that_fail_together_are_one_signal() -> None:
    first = full_queue()
    refused = result(outcome=Outcome.NOT_SENT, reason="connection_failed")

    assert first.on_result(refused, NOW) is not None
    assert first.on_result(refused, NOW) is None


def test_a_single_lost_answer_does_not_rest_its_sender_but_three_in_a_row_do() -> None:
    first = full_queue()
    lost = result(outcome=Outcome.UNKNOWN, reason="timeout")

    assert [first.on_result(lost, NOW) is not None for _ in range(3)] == [False, False, True]


def test_an_acceptance_ends_a_row_of_failures() -> None:
    first = full_queue()
    lost = result(outcome=Outcome.UNKNOWN, reason="timeout")

    heard = [first.on_result(answer, NOW) for answer in (lost, lost, result(), lost, lost)]

    assert heard == [None] * 5


def test_a_full_queue_at_twilio_rests_the_sender_long() -> None:
    cooldown = full_queue().on_result(result(outcome=Outcome.REJECTED, code=21611), NOW)

    assert cooldown is not None
    assert cooldown.until == NOW + LONG_PAUSE


def test_a_refused_account_rests_long_and_asks_for_a_person() -> None:
    cooldown = full_queue().on_result(result(outcome=Outcome.REJECTED, code=20003), NOW)

    assert cooldown is not None
    assert cooldown.until == NOW + LONG_PAUSE
    assert cooldown.alert


def test_one_bad_recipient_or_our_own_refusal_rests_nobody() -> None:
    first = full_queue()

    assert first.on_result(result(outcome=Outcome.REJECTED, code=21211), NOW) is None
    assert first.on_result(result(outcome=Outcome.NOT_SENT, reason=AttemptReason.REVOCATIONS_STALE), NOW) is None
    assert first.try_acquire(dispatch(), NOW)


def test_a_saved_limit_keeps_its_rest_and_rate_and_brings_no_tokens() -> None:
    first, second = full_queue(), DispatchQueue(lambda _: RATE, policy().codes)
    first.on_result(result(outcome=Outcome.NOT_SENT, reason="rate_limited", retry_after_ms=4000), NOW)
    (saved,) = first.take_dirty_limits(NOW)
    assert (saved.rate, saved.paused_until, saved.pause_reason) == (1.0, NOW + seconds(4), "rate_limited")

    second.restore(saved, NOW + seconds(1))

    assert not second.try_acquire(dispatch(), NOW + seconds(4.9))
    assert second.try_acquire(dispatch(), NOW + seconds(5))


@given(tokens=st.floats(-50, 5), idle=st.floats(0, 100), rate=st.floats(0.01, 10))
def test_a_restart_never_lets_more_through_than_no_restart(tokens: float, idle: float, rate: float) -> None:
    saved = ThrottleState(sender=NUMBER, rate=rate, tokens=tokens, at=NOW)
    restored = DispatchQueue(lambda _: 5.0, policy().codes)
    later = NOW + seconds(idle)

    restored.restore(saved, later)

    assert not restored.try_acquire(dispatch(), later)
    assert restored.try_acquire(dispatch(), later + seconds((1 + max(-tokens, 0)) / min(rate, 5.0) + 0.001))


def test_limits_are_saved_when_they_moved() -> None:
    first = full_queue()
    first.take_dirty_limits(NOW)

    assert first.take_dirty_limits(NOW) == []
    first.try_acquire(dispatch(), NOW)
    assert [limit.sender for limit in first.take_dirty_limits(NOW)] == [NUMBER]


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Lane)), st.sampled_from("abc"), st.integers(1, 12), st.integers(1, 60)),
        max_size=40,
    )
)
def test_everything_that_enters_comes_out_once_and_never_faster_than_the_limit(
    commands: list[tuple[Lane, str, int, int]],
) -> None:
    out: list[str] = []
    first, sent, now = full_queue(rate=5), 0, NOW
    sizes = {f"m{number}/1": segments for number, (_, _, segments, _) in enumerate(commands)}
    for number, (lane, tenant, segments, life) in enumerate(commands):
        deadline = NOW + seconds(life)
        first.enqueue(named(f"m{number}", lane=lane, tenant=tenant, segments=segments, deadline=deadline), NOW)

    while (due_at := first.next_due_at(now)) is not None and len(out) < len(commands):
        now = max(now, due_at)
        out += first.pop_expired(now)
        while (attempt_id := first.pop_ready(now)) is not None:
            sent += sizes[attempt_id]
            out.append(attempt_id)
            assert sent - sizes[attempt_id] <= 5 + 5 * (now - NOW).total_seconds() + 1e-6

    assert sorted(out) == sorted(f"m{number}/1" for number in range(len(commands)))
