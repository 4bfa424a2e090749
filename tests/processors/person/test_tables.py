"""What a decision writes, and what the schedule says is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from faust.stores.rocksdb import Store
from msgspec.structs import replace

from processors.core.person.decision import Decision, PersonState, WakeUp
from processors.person.tables import PersonTables, is_deletable, message_key, schedule_entry, schedule_key
from processors.streaming.app import AppConfig, StageApp
from processors.streaming.durable_table import Changes, DurableTable
from schemas.codec import Codec
from schemas.states import ConsentRecord, MessageState, Phase
from tests.processors.person.cluster import request

CODEC = Codec()
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PERSON = "+12125550101"
OTHER = "+121255501011"  # the first one's number is a prefix of it
STATE = MessageState(
    message_id="m1", phase=Phase.WAITING, request=request(1), request_hash="", deadline=NOW, updated_at=NOW
)
NOBODY = PersonState(PERSON, ConsentRecord(person=PERSON))


class Disk:
    """The tables on a disk of the test's own; `put` writes without a broker."""

    def __init__(self, folder: Path) -> None:
        app = StageApp("test", AppConfig(broker="127.0.0.1:1", data_dir=folder, instance_id="a"))
        for made in (app.conf.datadir, app.conf.appdir, app.conf.tabledir):
            Path(made).mkdir(parents=True, exist_ok=True)
        self.tables = PersonTables(app, CODEC)
        self._by_name: dict[str, DurableTable] = {
            name: cast(DurableTable, app.tables[name]) for name in ("consent", "messages", "schedule")
        }

    def put(self, table: str, changes: Changes) -> None:
        db = self._by_name[table].database(0)
        for key, value in changes.items():
            assert value is not None
            db.put(key, value)

    def close(self) -> None:
        for table in self._by_name.values():
            cast(Store, table.data)._dbs.clear()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.close()


def test_a_person_is_loaded_with_the_wanted_message_or_with_all_and_only_theirs(disk: Disk) -> None:
    for person, message_id in ((PERSON, "m1"), (PERSON, "m2"), (OTHER, "m3")):
        state = replace(STATE, message_id=message_id)
        disk.put("messages", {message_key(person, message_id): CODEC.encode(state)})

    assert set(disk.tables.load(0, PERSON, None).messages) == {"m1", "m2"}
    assert set(disk.tables.load(0, PERSON, "m2").messages) == {"m2"}
    assert disk.tables.load(0, PERSON, "m3").messages == {}
    assert disk.tables.load(1, PERSON, None) == NOBODY


def test_the_schedule_follows_a_messages_wake_up(disk: Disk) -> None:
    key = message_key(PERSON, "m1")
    first, second = replace(STATE, wake_at=NOW), replace(STATE, wake_at=NOW + timedelta(hours=1))
    known = replace(NOBODY, messages={"m1": first})

    assert disk.tables.changes(NOBODY, Decision(messages=(first,))).schedule == {schedule_key(NOW, key): b"1"}
    assert disk.tables.changes(known, Decision(messages=(second,))).schedule == {
        schedule_key(NOW, key): None,
        schedule_key(NOW + timedelta(hours=1), key): b"1",
    }
    assert disk.tables.changes(known, Decision(messages=(STATE,))).schedule == {schedule_key(NOW, key): None}


def test_a_message_saved_again_has_its_entry_written_again(disk: Disk) -> None:
    """After a crash between the two writes the message may stand there without it."""
    waiting = replace(STATE, wake_at=NOW)
    known = replace(NOBODY, messages={"m1": waiting})

    assert disk.tables.changes(known, Decision(messages=(waiting,))).schedule == {schedule_entry(PERSON, waiting): b"1"}


def test_a_wake_ups_own_entry_stays_until_its_decision_is_published(disk: Disk) -> None:
    waiting = replace(STATE, wake_at=NOW)
    known = replace(NOBODY, messages={"m1": waiting})

    changes = disk.tables.changes(known, Decision(messages=(STATE,)), own_entry=schedule_entry(PERSON, waiting))

    assert changes.schedule == {}


def test_what_is_due_comes_in_the_order_of_time_and_no_more_than_asked_for(disk: Disk) -> None:
    for number, minutes in enumerate((3, 1, 2, -1)):
        at = NOW - timedelta(minutes=minutes)
        disk.put("schedule", {schedule_key(at, message_key(PERSON, f"m{number}")): b"1"})

    assert [due.wake_up for due in disk.tables.due_wake_ups(0, NOW, 9)] == [
        WakeUp(PERSON, "m0"),
        WakeUp(PERSON, "m2"),
        WakeUp(PERSON, "m1"),
    ]
    assert [due.wake_up for due in disk.tables.due_wake_ups(0, NOW, 1)] == [WakeUp(PERSON, "m0")]


def test_the_sweep_goes_through_all_messages_and_goes_on_where_it_was(disk: Disk) -> None:
    for name in "abcd":
        state = replace(STATE, message_id=name)
        disk.put("messages", {message_key(PERSON, name): CODEC.encode(state)})
    disk.put("messages", {message_key(PERSON, "c2"): b"not a state"})

    first, cursor = disk.tables.scan_messages(0, b"", 3)
    assert cursor == message_key(PERSON, "c")
    assert [state.message_id for state in first] == ["a", "b", "c"]
    second, cursor = disk.tables.scan_messages(0, cursor, 3)
    assert [state.message_id for state in second] == ["d"]
    assert cursor == message_key(PERSON, "d")
    assert disk.tables.scan_messages(0, cursor, 3) == ([], None)


def test_only_messages_that_ended_long_ago_are_forgotten() -> None:
    before = NOW - timedelta(days=1)
    old = replace(STATE, updated_at=NOW - timedelta(days=2), wake_at=None)
    assert is_deletable(replace(old, phase=Phase.FINISHED), before)
    assert not is_deletable(replace(old, phase=Phase.ACCEPTED), before)
    assert not is_deletable(replace(old, phase=Phase.FINISHED, updated_at=NOW), before)
