"""A tick handles all that is due, in batches."""

from __future__ import annotations

import pytest

from processors.person.wakeups import BATCH
from processors.streaming.ordered_acks import PartitionLost
from tests.processors.person.harness import World, due


async def test_a_tick_goes_on_until_nothing_is_due(world: World) -> None:
    names = [f"m{number:04}" for number in range(BATCH + 5)]
    world.schedule_entries = [due(name) for name in names]

    await world.tick()

    assert world.schedule_entries == []
    assert [event[1] for event in world.happened if event[0] == "woken"] == names


async def test_a_tick_of_a_lost_partition_wakes_nobody(world: World) -> None:
    world.schedule_entries = [due("m1")]
    world.owns = world.regains = False

    with pytest.raises(PartitionLost):
        await world.tick()

    assert world.happened == []
