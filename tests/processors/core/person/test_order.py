"""However Twilio's reports arrive, a message ends in the same state: any order, any repetition, contradictions too."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import timedelta

import pytest

from processors.core.person import statuses
from schemas.records import TwilioCallback
from tests.processors.core.person.lifecycles import STORIES, Lifecycle, People, lifecycle, shuffled

MANY = tuple(lifecycle(number) for number in range(700))
EVERY_STORY = tuple({tuple((c.status, c.error_code) for c in one.callbacks): one for one in MANY}.values())


def people(lifecycles: Iterable[Lifecycle], callbacks: Iterable[TwilioCallback]) -> People:
    heard = People()
    for one in lifecycles:
        for record in one.before:
            heard.hear(record)
    heard.hear_all(callbacks)
    return heard


@pytest.mark.parametrize("one", EVERY_STORY, ids=lambda one: "-".join(c.status for c in one.callbacks))
def test_every_order_of_a_messages_reports_ends_in_the_same_bytes(one: Lifecycle) -> None:
    """Each report twice: at once, and when all have been heard."""
    reports = one.callbacks[:5]
    ends = {people([one], [*order, *order]).digest(times=True) for order in itertools.permutations(reports)}
    repeated = {
        people([one], [c for c in order for _ in "12"]).digest(times=True) for order in (reports, reports[::-1])
    }

    assert len(ends | repeated) == 1


def test_every_contradiction_is_kept() -> None:
    for one in EVERY_STORY:
        heard = people([one], one.callbacks)
        (message,) = heard.messages.values()
        assert {(r.status, r.error_code) for r in message.status_reports} == {
            (c.status, c.error_code) for c in one.callbacks
        }


def test_every_story_is_among_the_messages() -> None:
    stories = {frozenset((c.status, c.error_code) for c in one.callbacks) for one in EVERY_STORY}

    assert stories == {frozenset(story) for story in STORIES}


def test_many_messages_in_random_orders_with_repetitions_end_in_the_same_bytes() -> None:
    """A slice of what benchmarks/order.py does with a million."""
    callbacks = [report for one in MANY for report in one.callbacks]
    ends = [people(MANY, shuffled(callbacks, 0.3, seed)) for seed in range(3)]

    assert len({end.digest(times=True) for end in ends}) == 1
    assert all(set(end.published.values()) == {1} for end in ends)


def test_when_a_report_arrives_changes_times_and_nothing_else() -> None:
    callbacks = [report for one in MANY for report in one.callbacks]
    still, running = (
        people(MANY, shuffled(callbacks, 0.3, seed, step))
        for seed, step in enumerate((timedelta(), timedelta(0, 0.01)))
    )

    assert still.digest(times=False) == running.digest(times=False)
    assert still.digest(times=True) != running.digest(times=True)


def test_better_news_stands_and_a_stop_that_only_twilio_heard_counts_beside_it() -> None:
    one = next(one for one in MANY if {c.error_code for c in one.callbacks} >= {21610})
    for order in (one.callbacks, one.callbacks[::-1]):
        heard = people([one], order)
        (message,), (consent,) = heard.messages.values(), heard.consents.values()
        assert message.status in statuses.SUCCESSES
        assert [entry.evidence for entry in consent.history] == ["error 21610"]
