"""One small interface over clickhouse-connect: a server over HTTP, or chDB, the same engine inside this process.

A chDB folder has one owning process, and a process one folder. Committed inserts survive ``kill -9``; see docs/cost.md.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from clickhouse_connect.driver import create_client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError, StreamFailureError

from connectors.clickhouse.errors import ClickHouseConnectorError, FolderInUse, QueryRefused, Unavailable

MEMORY = ":memory:"
INSERT_SETTINGS = {
    # A repeated insert is the sink's way to be sure. Block deduplication of replicated tables would skip it in the
    # table and then in its materialized views too, which a crash between the two had left behind.
    "insert_deduplicate": 0,
    "async_insert": 0,  # on by default in some installations; it may say "stored" too early
}
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PASSING = ("Code: 202.", "Code: 209.", "Code: 210.", "Code: 242.", "Code: 252.", "Code: 999.")
"""Too many queries, time-outs, read-only table, too many parts, Keeper: a server that will answer later."""


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to a query: names, ClickHouse's type names, rows. Times are aware UTC, amounts `Decimal`."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Address:
    """Where ClickHouse is: ``folder`` for chDB (``:memory:`` allowed), otherwise a server."""

    database: str
    folder: str | None = None
    host: str = ""
    port: int | None = None
    user: str | None = None
    password: str = ""
    secure: bool = False

    def __str__(self) -> str:
        return f"chdb://{self.folder}" if self.folder else f"clickhouse://{self.host}:{self.port}/{self.database}"


def parse_url(url: str) -> Address:
    """Read ``clickhouse://user:pass@host:8123/db[?secure=true]`` or ``chdb:///folder[?database=db]``.

    Raises:
        ValueError: It is no such address; the text names the fault and never the password.
    """
    split = urlsplit(url)
    query = dict(parse_qsl(split.query))
    address = _folder(split, query) if split.scheme == "chdb" else _server(split, query)
    if not _NAME.fullmatch(address.database):
        raise ValueError(f"{address}: database {address.database!r}: expected letters, digits and _")
    return address


def _folder(split: SplitResult, query: Mapping[str, str]) -> Address:
    folder = unquote(split.path) or (MEMORY if split.netloc == "memory" else "")
    if not folder or (split.netloc and folder != MEMORY):
        raise ValueError(f"chdb://{split.netloc}{split.path}: expected chdb:///absolute/folder")
    return Address(query.get("database", "default"), folder)


def _server(split: SplitResult, query: Mapping[str, str]) -> Address:
    if split.scheme != "clickhouse" or not split.hostname:
        raise ValueError(
            f"{split.scheme}://…: expected clickhouse://user:password@host:8123/database or chdb:///folder"
        )
    secure = query.get("secure", "false").lower() in ("1", "true", "yes")
    return Address(
        database=unquote(split.path.strip("/")) or "default",
        host=split.hostname,
        port=split.port or (8443 if secure else 8123),
        user=unquote(split.username) if split.username else None,
        password=unquote(split.password or ""),
        secure=secure,
    )


class ClickHouse:
    """A connection. Its methods block; one thread at a time. Raises Unavailable, QueryRefused, FolderInUse."""

    def __init__(self, url: str) -> None:
        self.address = parse_url(url)
        self._client = _connect(self.address)
        self._client.database = self.address.database
        self._inserts: dict[tuple[str, tuple[str, ...]], Any] = {}

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Table:
        """The answer to a query. Values are passed by name (``{since:String}``), never by formatting.

        Raises:
            Unavailable: The server does not answer; asking later may help.
            QueryRefused: The server refuses the query.
        """
        try:
            found = self._client.query(sql, parameters=dict(parameters or {}))
        except (ClickHouseError, OSError) as error:
            raise self._named(error) from error
        types = tuple(kind.name for kind in found.column_types)
        return Table(tuple(found.column_names), types, tuple(map(tuple, found.result_rows)))

    def create_database(self) -> None:
        """Create the address's database if it is missing.

        Whether it exists is asked first, because creating takes a right that not every user has.

        Raises:
            Unavailable: The server does not answer; asking later may help.
            QueryRefused: The server refuses to create it.
        """
        name = self.address.database
        try:
            if not int(self._client.command(f"EXISTS DATABASE `{name}`", use_database=False)):
                self._client.command(f"CREATE DATABASE IF NOT EXISTS `{name}`", use_database=False)
        except (ClickHouseError, OSError) as error:
            raise self._named(error) from error

    def command(self, sql: str) -> None:
        """Run one statement that has no result.

        Raises:
            Unavailable: The server does not answer; asking later may help.
            QueryRefused: The server refuses the statement.
        """
        try:
            self._client.command(sql)
        except (ClickHouseError, OSError) as error:
            raise self._named(error) from error

    def insert(self, table: str, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
        """Insert all rows as one block. They are on disk when the method returns.

        Raises:
            Unavailable: The server does not answer. Some of the rows may be on disk.
            QueryRefused: The server refuses the rows. Some of them may be on disk.
        """
        if not rows:
            return
        try:
            context = self._insert_context(table, columns)
            context.data = rows
            self._client.insert(context=context)
        except (ClickHouseError, OSError) as error:
            self._inserts.clear()
            raise self._named(error) from error

    def ping(self) -> bool:
        """Whether it answers."""
        return bool(self._client.ping())

    def close(self) -> None:
        """Give the connection, and with chDB the folder, back."""
        self._client.close()
        folder = self.address.folder
        if folder and tempfile.tempdir == str(_insert_folder(folder)):
            tempfile.tempdir = None

    def _insert_context(self, table: str, columns: tuple[str, ...]) -> Any:
        """Kept between inserts: a new one asks the server for the table's columns."""
        key = (table, columns)
        if key not in self._inserts:
            self._inserts[key] = self._client.create_insert_context(table, columns, settings=INSERT_SETTINGS)
        return self._inserts[key]

    def _named(self, error: Exception) -> ClickHouseConnectorError:
        return _named(error, self.address)


def _connect(address: Address) -> Any:
    try:
        return _open_folder(address.folder) if address.folder else _open_server(address)
    except (ClickHouseError, OSError) as error:
        if "Unable to open the chdb engine" in str(error):
            raise FolderInUse(
                f"{address}: a chDB folder has one owning process (the sink), and a process one folder; "
                f"ask the sink's report address, or stop it first ({error})"
            ) from error
        raise _named(error, address) from error


def _open_server(address: Address) -> Any:
    return create_client(
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password,
        secure=address.secure,
        interface="https" if address.secure else "http",
        autogenerate_session_id=False,
        tz_mode="aware",
    )


def _open_folder(folder: str) -> Any:
    client = create_client(interface="chdb", path=folder, tz_mode="aware")
    if folder != MEMORY:
        _insert_files_at(_insert_folder(folder))  # only now: until it is open the folder may be another process's
    return client


def _insert_folder(folder: str) -> Path:
    return Path(folder).with_name(f"{Path(folder).name}.inserts")


def _insert_files_at(place: Path) -> None:
    """Each chDB insert passes through a temporary file with phone numbers in it; ``kill -9`` leaves the last behind.

    clickhouse-connect takes no place for it but Python's own, so that moves beside the folder, emptied at every start.
    """
    if tempfile.tempdir != str(place):
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.tempdir = str(place)


def _named(error: Exception, address: Address) -> ClickHouseConnectorError:
    text = f"{address}: {error}"
    if isinstance(error, (OperationalError, StreamFailureError, OSError)):
        return Unavailable(text)
    return Unavailable(text) if any(code in text for code in _PASSING) else QueryRefused(text)
