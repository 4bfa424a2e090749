"""The schema arrives in order, once."""

from __future__ import annotations

import pytest

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.errors import MigrationChanged, QueryRefused
from connectors.clickhouse.migrate import Migration, migrate, shipped_migrations

pytestmark = pytest.mark.clickhouse
FIRST = Migration("0001_a.sql", "-- a; comment\nCREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = Memory;\n-- the end;\n")
SECOND = Migration("0002_b.sql", "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);")


@pytest.fixture
def empty(clickhouse_url: str) -> ClickHouse:
    return ClickHouse(clickhouse_url)


def test_files_are_applied_in_order_and_once(empty: ClickHouse) -> None:
    assert migrate(empty, [FIRST]) == ["0001_a.sql"]
    assert migrate(empty, [FIRST, SECOND]) == ["0002_b.sql"]
    assert migrate(empty, [FIRST, SECOND]) == []
    assert empty.query("SELECT x FROM a ORDER BY x").rows == ((1,), (2,))


def test_an_applied_file_that_changed_is_an_error_that_names_it(empty: ClickHouse) -> None:
    migrate(empty, [FIRST])
    with pytest.raises(MigrationChanged, match=r"0001_a\.sql .*put it back"):
        migrate(empty, [Migration(FIRST.file, FIRST.text + " ")])


def test_a_file_that_failed_is_not_recorded_and_comes_again(empty: ClickHouse) -> None:
    with pytest.raises(QueryRefused):
        migrate(empty, [FIRST, Migration("0002_b.sql", "SELEKT;")])
    assert migrate(empty, [FIRST, SECOND]) == ["0002_b.sql"]


def test_what_ships_can_be_repeated_by_a_second_starter(empty: ClickHouse) -> None:
    """Two that start at once do the same work: every statement is harmless the second time."""
    names = migrate(empty)
    assert names == sorted(names)
    assert names
    for migration in shipped_migrations():
        for statement in migration.statements:
            empty.command(statement)
    assert migrate(empty) == []
