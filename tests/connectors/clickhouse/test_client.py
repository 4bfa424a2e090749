"""The one interface over a server and over chDB."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.clickhouse.client import ClickHouse, parse_url
from connectors.clickhouse.errors import QueryRefused, Unavailable

CHILD = """
import sys
from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.errors import FolderInUse
try:
    ClickHouse(sys.argv[1])
except FolderInUse:
    sys.exit(7)
"""


def test_a_servers_url_is_read_whole() -> None:
    address = parse_url("clickhouse://ann:p%40ss@db.example:8124/sms?secure=true")
    assert (address.user, address.password, address.host, address.port) == ("ann", "p@ss", "db.example", 8124)
    assert (address.database, address.secure, address.folder) == ("sms", True, None)


def test_the_password_is_not_in_the_address_people_see() -> None:
    assert "secret" not in str(parse_url("clickhouse://ann:secret@db.example/sms"))


def test_a_folders_url_names_folder_and_database() -> None:
    address = parse_url("chdb:///var/lib/sms%20flow?database=sms")
    assert (address.folder, address.database) == ("/var/lib/sms flow", "sms")


@pytest.mark.parametrize(
    "url",
    ["chdb://", "chdb://data/sms", "postgres://ann:secret@x/y", "clickhouse:///db", "clickhouse://ann:secret@x/a`b"],
)
def test_another_url_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(ValueError, match="expected") as refusal:
        parse_url(url)
    assert "secret" not in str(refusal.value)


def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"clickhouse://127\.0\.0\.1:1/"):
        ClickHouse("clickhouse://ann:secret@127.0.0.1:1/sms")


@pytest.mark.clickhouse
def test_a_wrong_statement_is_refused_with_clickhouses_words(clickhouse: ClickHouse) -> None:
    with pytest.raises(QueryRefused, match="no_such_column"):
        clickhouse.query("SELECT no_such_column FROM events")


@pytest.mark.clickhouse
def test_values_go_in_by_name_and_are_never_sql(clickhouse: ClickHouse) -> None:
    hostile = "a'b\\c\n\t{x}; DROP TABLE event_log --é😀"
    assert clickhouse.query("SELECT {text:String}", {"text": hostile}).rows == ((hostile,),)


@pytest.mark.clickhouse
def test_no_rows_are_no_insert(clickhouse: ClickHouse) -> None:
    clickhouse.insert("no_such_table", ("a",), [])
    with pytest.raises(QueryRefused):
        clickhouse.insert("no_such_table", ("a",), [("x",)])


@pytest.mark.clickhouse
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amounts=st.lists(st.decimals(-(10**12) + 1, 10**12 - 1, places=6), min_size=1, max_size=30),
    milliseconds=st.integers(0, 4_000_000_000_000),
)
def test_amounts_and_times_come_back_to_the_last_digit(
    clickhouse: ClickHouse, amounts: list[Decimal], milliseconds: int
) -> None:
    clickhouse.command("CREATE OR REPLACE TABLE kept (n UInt32, a Decimal(18, 6), t DateTime64(3, 'UTC')) "
                       "ENGINE = MergeTree ORDER BY n")  # fmt: skip
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    clickhouse.insert("kept", ("n", "a", "t"), [(n, amount, time) for n, amount in enumerate(amounts)])
    found = clickhouse.query("SELECT a, t FROM kept ORDER BY n").rows
    assert found == tuple((amount, time) for amount in amounts)
    assert clickhouse.query("SELECT sum(a) FROM kept").rows == ((sum(amounts, Decimal(0)),),)


@pytest.mark.clickhouse
def test_a_folder_has_one_process_and_the_second_is_told_so(clickhouse_server: str) -> None:
    if not clickhouse_server.startswith("chdb:"):
        pytest.skip("a server has any number of clients")
    url = clickhouse_server.format("default")
    second = subprocess.run([sys.executable, "-c", CHILD, url], capture_output=True, timeout=60, check=False)
    assert second.returncode == 7, second.stderr.decode()


@pytest.mark.clickhouse
def test_what_an_insert_writes_in_between_stays_beside_the_folder(clickhouse: ClickHouse) -> None:
    """It holds phone numbers, and `kill -9` leaves it behind: not in a directory others read."""
    if clickhouse.address.folder is None:
        pytest.skip("a server is written to over HTTP")
    place = Path(f"{clickhouse.address.folder}.inserts")
    assert tempfile.gettempdir() == str(place)
    assert place.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == []
