from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from processors.core.sender.decide import REVOCATIONS_STALE
from processors.core.sender.dispatch_queue import LONG_PAUSE, DispatchQueue
from schemas.records import Action, Dispatch, Lane, Outcome
from schemas.states import ThrottleState
from tests.builders import NOW, NUMBER, SERVICE, dispatch, policy, result, seconds

RATE = 2.0


def desk(rate: float = RATE, now: datetime = NOW) -> DispatchQueue:
    """A desk whose buckets are full."""
    made = DispatchQueue(lambda _: rate, policy().codes)
    assert not made.may_go(dispatch(), now - timedelta(minutes=1))  # a new bucket is empty
    return made


def named(name: str, **changes: object) -> Dispatch:
    return dispatch(attempt_id=f"{name}/1", message_id=name, **changes)


def drain(full: DispatchQueue, now: datetime) -> list[str]:
    """Who may go at this instant, in order."""
    gone = []
    while (ticket := full.next(now)) is not None:
        gone.append(ticket.attempt_id.partition("/")[0])
    return gone


def test_a_command_goes_at_once_while_its_sender_has_segments_left() -> None:
    first = desk()

    assert [first.may_go(dispatch(), NOW) for _ in range(3)] == [True, True, False]


def test_one_sender_does_not_wait_for_another() -> None:
    first = desk()
    while first.may_go(dispatch(), NOW):
        pass
    first.may_go(dispatch(sender=SERVICE), NOW)

    assert first.may_go(dispatch(sender=SERVICE), NOW + seconds(1))


def test_a_new_command_does_not_overtake_its_lane_or_a_more_urgent_one() -> None:
    first = desk()
    first.enter(named("waits"), NOW)

    assert not first.may_go(named("same"), NOW)
    assert not first.may_go(named("bulk", lane=Lane.BULK), NOW)
    assert first.may_go(named("urgent", lane=Lane.URGENT), NOW)
    assert first.may_go(named("other", sender=SERVICE), NOW) is False  # its bucket is new
    assert drain(first, NOW) == ["waits"]


def test_what_waits_goes_in_the_order_of_lanes_and_by_tenants_in_turn() -> None:
    first = desk(rate=100)
    for name in ("a1", "a2"):
        first.enter(named(name, lane=Lane.BULK, tenant="a", segments=10), NOW)
    first.enter(named("b1", lane=Lane.BULK, tenant="b", segments=10), NOW)
    first.enter(named("normal"), NOW)
    first.enter(named("urgent", lane=Lane.URGENT), NOW)

    assert drain(first, NOW) == ["urgent", "normal", "a1", "b1", "a2"]


def test_it_tells_when_to_come_back_and_then_somebody_goes() -> None:
    first = desk()
    for name in ("a", "b", "c"):
        first.enter(named(name), NOW)

    assert drain(first, NOW) == ["a", "b"]
    wake_at = first.wake_at(NOW)
    assert wake_at == NOW + seconds(0.5)
    assert drain(first, wake_at - timedelta(milliseconds=1)) == []
    assert drain(first, wake_at) == ["c"]
    assert first.wake_at(NOW) == named("c").deadline  # it is being handled; what is left comes to nothing


def test_what_expires_in_the_queue_comes_out_once_and_spends_nothing() -> None:
    first = desk(rate=1)
    first.enter(named("late", deadline=NOW + seconds(0.1)), NOW - seconds(1))
    first.enter(named("good"), NOW - seconds(1))

    assert [ticket.attempt_id for ticket in first.ripe(NOW + seconds(1))] == ["late/1"]
    assert first.ripe(NOW + seconds(1)) == []
    assert drain(first, NOW + seconds(1)) == ["good"]


def test_what_is_being_handled_does_not_come_out_again_when_it_expires() -> None:
    first = desk()
    first.enter(named("a", deadline=NOW + seconds(1)), NOW)

    assert drain(first, NOW) == ["a"]
    assert first.ripe(NOW + seconds(2)) == []


def test_a_look_up_comes_out_at_its_time_whatever_the_limit() -> None:
    first = desk(rate=1)
    first.enter(dispatch(action=Action.LOOK_UP, not_before=NOW + seconds(5)), NOW)

    assert first.ripe(NOW + seconds(4)) == []
    assert first.wake_at(NOW) == NOW + seconds(5)
    assert [ticket.key for ticket in first.ripe(NOW + seconds(5))] == [("m1/1", Action.LOOK_UP)]
    assert first.next(NOW + seconds(60)) is None


def test_a_message_for_later_lines_up_when_its_time_has_come() -> None:
    first = desk()
    first.enter(named("later", not_before=NOW + seconds(5)), NOW)

    assert drain(first, NOW + seconds(4)) == []
    assert first.ripe(NOW + seconds(5)) == []
    assert drain(first, NOW + seconds(5)) == ["later"]


def test_a_message_whose_time_comes_after_its_deadline_expires() -> None:
    first = desk()
    first.enter(named("never", not_before=NOW + seconds(5), deadline=NOW + seconds(4)), NOW)

    assert [ticket.attempt_id for ticket in first.ripe(NOW + seconds(5))] == ["never/1"]


def test_a_queued_command_is_known_until_it_is_answered() -> None:
    first = desk()
    first.enter(dispatch(), NOW)
    key = ("m1/1", Action.SEND)

    assert key in first
    assert drain(first, NOW) == ["m1"]
    assert key in first
    first.leave(key)
    assert key not in first
    assert len(first) == 0


def test_what_could_not_be_done_goes_back_into_the_queue() -> None:
    first = desk()
    first.enter(dispatch(), NOW)
    assert drain(first, NOW) == ["m1"]

    first.enter(dispatch(), NOW)

    assert drain(first, NOW) == ["m1"]


def test_too_many_requests_halves_the_rate_and_rests_for_as_long_as_twilio_asks() -> None:
    first = desk()
    limited = result(outcome=Outcome.NOT_SENT, reason="rate_limited", code=20429, retry_after_ms=4000)

    rest = first.heard(limited, NOW)

    assert rest is not None
    assert rest.until == NOW + seconds(4)
    assert not rest.alert
    assert not first.may_go(dispatch(), NOW + seconds(4))
    assert first.may_go(dispatch(), NOW + seconds(5))  # one segment a second now, of two
    assert not first.may_go(dispatch(), NOW + seconds(5))


def test_without_a_word_from_twilio_each_failure_doubles_the_rest() -> None:
    first, now, rests = desk(), NOW, []
    for _ in range(9):
        rest = first.heard(result(outcome=Outcome.NOT_SENT, reason="connection_failed"), now)
        assert rest is not None
        rests.append((rest.until - now).total_seconds())
        now = rest.until

    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_calls_that_fail_together_are_one_signal() -> None:
    first = desk()
    refused = result(outcome=Outcome.NOT_SENT, reason="connection_failed")

    assert first.heard(refused, NOW) is not None
    assert first.heard(refused, NOW) is None


def test_a_single_lost_answer_does_not_rest_its_sender_but_three_in_a_row_do() -> None:
    first = desk()
    lost = result(outcome=Outcome.UNKNOWN, reason="timeout")

    assert [first.heard(lost, NOW) is not None for _ in range(3)] == [False, False, True]


def test_an_acceptance_ends_a_row_of_failures() -> None:
    first = desk()
    lost = result(outcome=Outcome.UNKNOWN, reason="timeout")

    heard = [first.heard(answer, NOW) for answer in (lost, lost, result(), lost, lost)]

    assert heard == [None] * 5


def test_a_full_queue_at_twilio_rests_the_sender_long() -> None:
    rest = desk().heard(result(outcome=Outcome.REJECTED, code=21611), NOW)

    assert rest is not None
    assert rest.until == NOW + LONG_PAUSE


def test_a_refused_account_rests_long_and_asks_for_a_person() -> None:
    rest = desk().heard(result(outcome=Outcome.REJECTED, code=20003), NOW)

    assert rest is not None
    assert rest.until == NOW + LONG_PAUSE
    assert rest.alert


def test_one_bad_recipient_or_our_own_refusal_rests_nobody() -> None:
    first = desk()

    assert first.heard(result(outcome=Outcome.REJECTED, code=21211), NOW) is None
    assert first.heard(result(outcome=Outcome.NOT_SENT, reason=REVOCATIONS_STALE), NOW) is None
    assert first.may_go(dispatch(), NOW)


def test_a_saved_limit_keeps_its_rest_and_rate_and_brings_no_tokens() -> None:
    first, second = desk(), DispatchQueue(lambda _: RATE, policy().codes)
    first.heard(result(outcome=Outcome.NOT_SENT, reason="rate_limited", retry_after_ms=4000), NOW)
    (saved,) = first.unsaved(NOW)
    assert (saved.rate, saved.resting_until, saved.rest_reason) == (1.0, NOW + seconds(4), "rate_limited")

    second.restore(saved, NOW + seconds(1))

    assert not second.may_go(dispatch(), NOW + seconds(4.9))
    assert second.may_go(dispatch(), NOW + seconds(5))


@given(tokens=st.floats(-50, 5), idle=st.floats(0, 100), rate=st.floats(0.01, 10))
def test_a_restart_never_lets_more_through_than_no_restart(tokens: float, idle: float, rate: float) -> None:
    saved = ThrottleState(sender=NUMBER, rate=rate, tokens=tokens, at=NOW)
    restored = DispatchQueue(lambda _: 5.0, policy().codes)
    later = NOW + seconds(idle)

    restored.restore(saved, later)

    assert not restored.may_go(dispatch(), later)
    assert restored.may_go(dispatch(), later + seconds((1 + max(-tokens, 0)) / min(rate, 5.0) + 0.001))


def test_limits_are_saved_when_they_moved() -> None:
    first = desk()
    first.unsaved(NOW)

    assert first.unsaved(NOW) == []
    first.may_go(dispatch(), NOW)
    assert [limit.sender for limit in first.unsaved(NOW)] == [NUMBER]


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
    first, sent, now = desk(rate=5), 0, NOW
    for number, (lane, tenant, segments, life) in enumerate(commands):
        deadline = NOW + seconds(life)
        first.enter(named(f"m{number}", lane=lane, tenant=tenant, segments=segments, deadline=deadline), NOW)

    while (wake_at := first.wake_at(now)) is not None and len(out) < len(commands):
        now = max(now, wake_at)
        out += [ticket.attempt_id for ticket in first.ripe(now)]
        while (ticket := first.next(now)) is not None:
            sent += ticket.segments
            out.append(ticket.attempt_id)
            assert sent - ticket.segments <= 5 + 5 * (now - NOW).total_seconds() + 1e-6

    assert sorted(out) == sorted(f"m{number}/1" for number in range(len(commands)))
