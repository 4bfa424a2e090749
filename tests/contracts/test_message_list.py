"""The contract of ``MessageList``: what became of an attempt, and every message of a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.twilio.errors import MessageListUnavailable
from schemas.enums import Action, Outcome
from schemas.records import AttemptResult, Dispatch, ListEntry
from tests.builders import NOW, NUMBER, PERSON, dispatch, seconds
from tests.contracts.twilio_fixtures import TwilioFixture

OTHER = "+12125550199"


async def sent(twilio: TwilioFixture, **changes: Any) -> AttemptResult:
    return await twilio.sender.send(dispatch(**changes), lambda: None)


def look_up(**changes: Any) -> Dispatch:
    window = {"called_after": NOW, "called_before": NOW + seconds(30)}
    return dispatch(**{"action": Action.LOOK_UP, **window, **changes})


async def read(twilio: TwilioFixture, since: Any = NOW, until: Any = NOW + timedelta(hours=1)) -> list[ListEntry]:
    return [entry async for page in twilio.history.entries(since, until) for entry in page]


async def test_a_message_whose_answer_was_lost_is_found(twilio: TwilioFixture) -> None:
    twilio.lose_next_answer()
    await sent(twilio)
    await sent(twilio, body="another text")
    found = await twilio.history.find(look_up())

    (entry, _) = sorted(await _all(twilio), key=lambda entry: entry.message_sid != found.sid)
    assert (found.outcome, found.sid) == (Outcome.ACCEPTED, entry.message_sid)
    assert (found.action, found.attempt_id, found.called_at) == (Action.LOOK_UP, "m1/1", None)


async def _all(twilio: TwilioFixture) -> list[ListEntry]:
    """Every message, once carriers have them: before that they have no date to be listed by."""
    await twilio.advance(timedelta(minutes=1))
    return await read(twilio)


@pytest.mark.parametrize("passed", [timedelta(0), timedelta(minutes=5)], ids=["at once", "later"])
async def test_it_is_found_at_once_and_later(twilio: TwilioFixture, passed: timedelta) -> None:
    twilio.lose_next_answer()
    await sent(twilio, sender=twilio.service)
    await twilio.advance(passed)

    assert (await twilio.history.find(look_up(sender=twilio.service))).outcome is Outcome.ACCEPTED


async def test_a_message_that_never_arrived_is_absent(twilio: TwilioFixture) -> None:
    twilio.lose_next_request()
    await sent(twilio)
    found = await twilio.history.find(look_up())

    assert (found.outcome, found.reason, found.sid) == (Outcome.ABSENT, "not_in_list", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"person": OTHER},
        {"body": "another text"},
        {"sender": "+12025550101"},
        {"called_after": NOW + seconds(1)},
        {"called_before": NOW - seconds(1)},
    ],
    ids=["person", "text", "sender", "later", "earlier"],
)
async def test_a_message_that_differs_in_one_point_is_another(twilio: TwilioFixture, changes: dict[str, Any]) -> None:
    await sent(twilio)

    assert (await twilio.history.find(look_up(**changes))).outcome is Outcome.ABSENT


async def test_a_claimed_message_is_not_taken_twice(twilio: TwilioFixture) -> None:
    first, second = await sent(twilio), await sent(twilio)
    assert first.sid is not None
    found = await twilio.history.find(look_up(claimed_sids=[first.sid]))

    assert found.sid == second.sid


async def test_a_list_that_cannot_be_read_proves_nothing(twilio: TwilioFixture) -> None:
    await sent(twilio)
    twilio.lose_the_list()
    found = await twilio.history.find(look_up())

    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "list_unavailable")
    with pytest.raises(MessageListUnavailable):
        await read(twilio)


async def test_every_message_of_the_time_comes_once_over_all_pages(twilio: TwilioFixture) -> None:
    sids = {(await sent(twilio, person=person)).sid for person in (PERSON, OTHER) for _ in range(3)}
    entries = await _all(twilio)

    assert (len(entries), {entry.message_sid for entry in entries}) == (6, sids)
    assert {(entry.sender_number, entry.segments, entry.date_created) for entry in entries} == {(NUMBER, 1, NOW)}


async def test_messages_of_another_time_do_not_come(twilio: TwilioFixture) -> None:
    await sent(twilio)
    await twilio.advance(timedelta(minutes=1))

    assert await read(twilio, since=NOW + seconds(1)) == []
    assert await read(twilio, since=NOW - seconds(9), until=NOW) == []
