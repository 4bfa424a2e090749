"""Save, publish, acknowledge; a wake-up leaves the schedule when its decision is published."""

from __future__ import annotations

import logging

import pytest

from processors.core.person.decision import OutgoingRecord
from processors.person.decision_runner import AGAIN_AFTER
from processors.streaming.ordered_acks import PartitionLost
from schemas.records import Revocation
from schemas.topics import SMS_REVOCATIONS
from tests.builders import NOW
from tests.processors.person.harness import CODEC, REQUEST, World, due
from tests.processors.person.test_state_cache import state


async def test_save_publish_acknowledge_in_that_order(world: World) -> None:
    await world.handle(CODEC.encode(REQUEST))

    assert world.happened == ["saved", "acked"]


async def test_a_late_heartbeat_delays_the_save(world: World) -> None:
    world.owns = False
    await world.handle(CODEC.encode(REQUEST))

    assert world.happened == ["saved", "acked"]


async def test_what_was_saved_is_not_published_by_a_worker_that_lost_the_partition_meanwhile(world: World) -> None:
    """The new owner finds it in the state and publishes it. Published later still, it would undo what followed."""
    revocation = Revocation(person=REQUEST.to, scope="all", revoked=True, source_id="SM1", occurred_at=NOW)
    world.outgoing = (OutgoingRecord(SMS_REVOCATIONS, REQUEST.to, revocation),)
    await world.handle(CODEC.encode(REQUEST))
    assert [getattr(one, "topic", one) for one in world.happened] == ["saved", SMS_REVOCATIONS.name, "acked"]
    world.happened.clear()

    world.lost_while_saving = True
    await world.handle(CODEC.encode(REQUEST))

    assert (world.happened, world.dropped_offsets) == (["saved"], [7])


async def test_on_a_lost_partition_nothing_is_saved_published_or_acknowledged(world: World) -> None:
    world.owns = world.regains = False
    await world.handle(CODEC.encode(REQUEST))

    assert world.happened == []
    assert world.failures == []


async def test_a_wake_up_is_decided_saved_published_and_then_removed_from_the_schedule(world: World) -> None:
    world.messages = [state()]
    world.schedule_entries = [due("m1")]

    await world.tick()

    assert world.happened == [("woken", "m1"), "saved", ("unscheduled", "m1", state())]


async def test_a_wake_up_without_a_decision_comes_again_later(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.schedule_entries = [due("m1")]
    world.undecidable = True

    await world.tick()

    assert world.happened == [("postponed", "m1", NOW + AGAIN_AFTER)]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_wake_up_of_a_lost_partition_stays_in_the_schedule(world: World) -> None:
    world.schedule_entries = [due("m1")]
    world.lost_while_saving = True

    with pytest.raises(PartitionLost):
        await world.tick()

    assert world.happened == [("woken", "m1"), "saved"]
    assert world.schedule_entries == [due("m1")]
