"""The contract of ``MessageList``: what became of an attempt, and every message of a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.twilio.errors import MessageListUnavailable
from schemas.records import Action, AttemptResult, Dispatch, ListEntry, Outcome
from tests.builders import NOW, NUMBER, PERSON, dispatch, seconds
from tests.contracts.twilio_worlds import World

OTHER = "+12125550199"


async def sent(world: World, **changes: Any) -> AttemptResult:
    return await world.sender.send(dispatch(**changes), lambda: None)


def look_up(**changes: Any) -> Dispatch:
    window = {"called_after": NOW, "called_before": NOW + seconds(30)}
    return dispatch(**{"action": Action.LOOK_UP, **window, **changes})


async def read(world: World, since: Any = NOW, until: Any = NOW + timedelta(hours=1)) -> list[ListEntry]:
    return [entry async for page in world.history.entries(since, until) for entry in page]


async def test_a_message_whose_answer_was_lost_is_found(world: World) -> None:
    world.lose_next_answer()
    await sent(world)
    await sent(world, body="another text")
    found = await world.history.find(look_up())

    (entry, _) = sorted(await _all(world), key=lambda entry: entry.message_sid != found.sid)
    assert (found.outcome, found.sid) == (Outcome.ACCEPTED, entry.message_sid)
    assert (found.action, found.attempt_id, found.called_at) == (Action.LOOK_UP, "m1/1", None)


async def _all(world: World) -> list[ListEntry]:
    """Every message, once carriers have them: before that they have no date to be listed by."""
    await world.advance(timedelta(minutes=1))
    return await read(world)


@pytest.mark.parametrize("passed", [timedelta(0), timedelta(minutes=5)], ids=["at once", "later"])
async def test_it_is_found_at_once_and_later(world: World, passed: timedelta) -> None:
    world.lose_next_answer()
    await sent(world, sender=world.service)
    await world.advance(passed)

    assert (await world.history.find(look_up(sender=world.service))).outcome is Outcome.ACCEPTED


async def test_a_message_that_never_arrived_is_absent(world: World) -> None:
    world.lose_next_request()
    await sent(world)
    found = await world.history.find(look_up())

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
async def test_a_message_that_differs_in_one_point_is_another(world: World, changes: dict[str, Any]) -> None:
    await sent(world)

    assert (await world.history.find(look_up(**changes))).outcome is Outcome.ABSENT


async def test_a_claimed_message_is_not_taken_twice(world: World) -> None:
    first, second = await sent(world), await sent(world)
    assert first.sid is not None
    found = await world.history.find(look_up(claimed_sids=[first.sid]))

    assert found.sid == second.sid


async def test_a_list_that_cannot_be_read_proves_nothing(world: World) -> None:
    await sent(world)
    world.lose_the_list()
    found = await world.history.find(look_up())

    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "list_unavailable")
    with pytest.raises(MessageListUnavailable):
        await read(world)


async def test_every_message_of_the_time_comes_once_over_all_pages(world: World) -> None:
    sids = {(await sent(world, person=person)).sid for person in (PERSON, OTHER) for _ in range(3)}
    entries = await _all(world)

    assert (len(entries), {entry.message_sid for entry in entries}) == (6, sids)
    assert {(entry.sender_number, entry.segments, entry.date_created) for entry in entries} == {(NUMBER, 1, NOW)}


async def test_messages_of_another_time_do_not_come(world: World) -> None:
    await sent(world)
    await world.advance(timedelta(minutes=1))

    assert await read(world, since=NOW + seconds(1)) == []
    assert await read(world, since=NOW - seconds(9), until=NOW) == []
