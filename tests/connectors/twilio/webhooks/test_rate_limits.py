"""Which requests are turned away."""

from __future__ import annotations

from collections import Counter

from connectors.clock import ManualClock
from connectors.twilio.webhooks.rate_limits import Admission, AutoReplyGuard
from tests.builders import inbound, seconds


def test_only_so_many_are_in_work_at_once() -> None:
    admission = Admission(2, None, ManualClock().elapsed)
    answers = [admission.enter() for _ in range(3)]
    admission.leave()

    assert answers == [None, None, "too many at once"]
    assert admission.enter() is None


def test_a_rate_allows_a_second_of_burst_and_then_its_pace() -> None:
    clock = ManualClock()
    admission = Admission(1000, 10, clock.elapsed)
    taken = []
    for _ in range(5):
        taken.append(sum(admission.enter() is None for _ in range(50)))
        clock.advance(seconds(0.5))

    assert taken == [10, 5, 5, 5, 5]
    clock.advance(seconds(60))
    assert sum(admission.enter() is None for _ in range(50)) == 10


def test_a_rate_below_one_lets_one_through_now_and_then() -> None:
    clock = ManualClock()
    admission = Admission(1000, 0.5, clock.elapsed)
    clock.advance(seconds(2))

    assert admission.enter() is None
    assert admission.enter() == "too many per second"


def test_each_pair_of_numbers_has_answers_of_its_own() -> None:
    clock = ManualClock()
    withheld = Counter[str]()
    guard = AutoReplyGuard(lambda _: "help", clock.elapsed, 1, 10, lambda: withheld.update(["reply"]))
    people = [inbound(person=f"+1212555010{n}") for n in range(2)]

    assert [guard(person) for person in (*people, *people)] == ["help", "help", None, None]
    assert guard(inbound(person=people[0].person, to="+15005550009")) == "help"
    clock.advance(seconds(10))
    assert guard(people[0]) == "help"
    assert withheld["reply"] == 2


def test_what_is_not_answered_costs_no_answer() -> None:
    guard = AutoReplyGuard(lambda told: told.body or None, ManualClock().elapsed, most=1, within=10)

    assert [guard(inbound(body=body)) for body in ("", "", "HELP")] == [None, None, "HELP"]
