"""A real ClickHouse: from Docker where an engine answers, else chDB, the same engine inside this process.

A process can hold one chDB folder, so the engine lives as long as the test run and every test has its own database.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.migrate import migrate
from tests.conftest import docker_answers

CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:25.8"
_numbers = count(1)


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A URL with ``{}`` where the database's name goes."""
    if docker_answers():
        yield from _container()
        return
    folder = tmp_path_factory.mktemp("chdb") / "data"
    keeper = ClickHouse(f"chdb://{folder}")  # while one handle is open the engine stays: opening it takes a second
    yield f"chdb://{folder}?database={{}}"
    keeper.close()


@pytest.fixture
def clickhouse_url(clickhouse_server: str) -> Iterator[str]:
    """A database that does not exist yet."""
    name = f"test_{next(_numbers)}"
    yield clickhouse_server.format(name)
    cleaner = ClickHouse(clickhouse_server.format("default"))
    cleaner.command(f"DROP DATABASE IF EXISTS {name}")
    cleaner.close()


@pytest.fixture
def clickhouse(clickhouse_url: str) -> Iterator[ClickHouse]:
    """A migrated, empty database."""
    connection = ClickHouse(clickhouse_url)
    migrate(connection)
    yield connection
    connection.close()


def _container() -> Iterator[str]:
    from testcontainers.community.clickhouse import ClickHouseContainer

    with ClickHouseContainer(CLICKHOUSE_IMAGE, port=8123, username="test", password="test") as server:
        yield f"clickhouse://test:test@{server.get_container_host_ip()}:{server.get_exposed_port(8123)}/{{}}"
