from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from connectors.clock import ManualClock
from connectors.memory import MemoryPublisher
from processors.sender.reconciler import Reconciler, read_back
from schemas.codec import Codec
from schemas.records import AttemptResult, Dispatch, ListEntry
from schemas.topics import SMS_LIST_ENTRIES
from tests.builders import NOW, list_entry

CODEC = Codec()
EVERY, WINDOW = timedelta(minutes=5), timedelta(days=2)


class MemoryList:
    """Twilio's list, a page of two at a time."""

    def __init__(self, *entries: ListEntry) -> None:
        self.entries_ = list(entries)
        self.broken_page: int | None = None
        self.asked: list[tuple[datetime, datetime]] = []

    async def find(self, look_up: Dispatch) -> AttemptResult:
        raise AssertionError("not asked here")

    async def entries(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[ListEntry]]:
        self.asked.append((since, until))
        for number, start in enumerate(range(0, len(self.entries_), 2)):
            if number == self.broken_page:
                raise RuntimeError("page 2 cannot be read")
            yield self.entries_[start : start + 2]


def entry(number: int, status: str = "delivered", price: str | None = "0.0079") -> ListEntry:
    return list_entry(
        message_sid=f"SM{number:032x}",
        status=status,
        price=None if price is None else Decimal(price),
        currency=None if price is None else "USD",
    )


def reconciler(source: MemoryList, publisher: MemoryPublisher, remembered: int = 100) -> Reconciler:
    return Reconciler(source, publisher, CODEC, ManualClock(NOW), EVERY, WINDOW, remembered)


def published(publisher: MemoryPublisher) -> list[ListEntry]:
    return [CODEC.decode(ListEntry, record.value) for record in publisher.on(SMS_LIST_ENTRIES.name)]


async def test_it_publishes_prices_and_final_statuses_under_the_person() -> None:
    known = [entry(1), entry(2, price=None), entry(3, "sent", "0.0079"), entry(4, "sent", None)]
    publisher = MemoryPublisher()

    await reconciler(MemoryList(*known), publisher).round()

    assert published(publisher) == known[:3]
    assert {record.key for record in publisher.records} == {known[0].person.encode()}


async def test_it_reads_the_whole_window_first_and_then_as_far_as_news_can_be() -> None:
    source = MemoryList()
    rounds = reconciler(source, MemoryPublisher())

    for _ in range(9):
        await rounds.round()

    assert source.asked[0] == (NOW - WINDOW, NOW)
    assert [(until - since) // EVERY for since, until in source.asked[1:]] == [2, 4, 2, 8, 2, 4, 2, 16]


def test_a_message_is_read_again_before_its_age_has_tripled_and_not_much_more_often() -> None:
    rounds = int(WINDOW / EVERY)
    for created in range(1, 40):
        ages = [number - created for number in range(created + 1, created + rounds)]
        read = [age for age in ages if read_back(created + age, EVERY, WINDOW) >= age * EVERY]
        assert read[0] == 1
        assert all(later <= 3 * age for age, later in pairwise(read))
        assert len(read) <= 12


async def test_a_reading_that_failed_is_made_up_for_as_deep_as_it_was() -> None:
    source = MemoryList(*map(entry, range(4)))
    rounds = reconciler(source, MemoryPublisher())
    source.broken_page = 1
    for _ in range(2):
        await rounds.round()
    source.broken_page = None
    for _ in range(2):
        await rounds.round()

    assert [until - since for since, until in source.asked] == [WINDOW, WINDOW, WINDOW, 2 * EVERY]


async def test_it_says_each_thing_once_and_news_again() -> None:
    source, publisher = MemoryList(entry(1, price=None), entry(2)), MemoryPublisher()
    rounds = reconciler(source, publisher)

    await rounds.round()
    await rounds.round()
    source.entries_[0] = entry(1, price="0.0079")
    await rounds.round()

    assert [(told.message_sid[-1], told.price) for told in published(publisher)] == [
        ("1", None),
        ("2", Decimal("0.007900")),
        ("1", Decimal("0.007900")),
    ]
    assert (rounds.counts.rounds, rounds.counts.read, rounds.counts.published) == (3, 6, 3)


async def test_a_page_that_fails_is_logged_and_the_next_round_reads_it(caplog: pytest.LogCaptureFixture) -> None:
    source, publisher = MemoryList(*map(entry, range(4))), MemoryPublisher()
    source.broken_page = 1
    rounds = reconciler(source, publisher)

    await rounds.round()
    assert (len(published(publisher)), rounds.counts.failed) == (2, 1)
    assert "page 2 cannot be read" in caplog.text

    source.broken_page = None
    await rounds.round()
    assert len(published(publisher)) == 4


async def test_what_the_broker_did_not_take_is_published_in_the_next_round() -> None:
    source, publisher = MemoryList(entry(1)), MemoryPublisher()
    publisher.available = False
    rounds = reconciler(source, publisher)

    await rounds.round()
    publisher.available = True
    await rounds.round()

    assert len(published(publisher)) == 1


async def test_its_memory_is_bounded() -> None:
    source, publisher = MemoryList(*map(entry, range(6))), MemoryPublisher()
    rounds = reconciler(source, publisher, remembered=4)

    await rounds.round()
    source.entries_ = source.entries_[2:]
    await rounds.round()

    assert len(rounds._published) == 4
    assert len(published(publisher)) == 6
