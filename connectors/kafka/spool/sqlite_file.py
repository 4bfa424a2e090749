"""Records on disk that Kafka has not acknowledged yet: one SQLite file, used by one thread.

WAL and ``synchronous=FULL``: what was committed survives a power cut. Source: https://www.sqlite.org/wal.html
Every record carries a checksum. A record that does not match it stays in the file, is counted and never published.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from connectors.kafka.spool.errors import SpoolError, SpoolUnusable
from schemas.codec import EncodedRecord

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL, topic TEXT NOT NULL, key BLOB, value BLOB, headers TEXT NOT NULL, checksum INTEGER NOT NULL,
    damaged INTEGER NOT NULL DEFAULT 0
) STRICT
"""
_PRAGMAS = (
    "locking_mode = EXCLUSIVE",  # a second process on the same file would publish everything twice
    "auto_vacuum = INCREMENTAL",
    "journal_mode = WAL",
    "synchronous = FULL",
    "journal_size_limit = 4194304",
    "temp_store = MEMORY",
)


@dataclass(frozen=True, slots=True)
class SpooledRecord:
    """A record that waits. ``id`` grows with the order of arrival."""

    id: int
    record: EncodedRecord


@dataclass(frozen=True, slots=True)
class SpoolContents:
    """``waiting`` records since ``oldest_at`` (seconds since 1970), ``damaged`` ones beside them, ``bytes`` in all."""

    waiting: int = 0
    damaged: int = 0
    bytes: int = 0
    oldest_at: float | None = None


class SpoolFile:
    """The database file. Nothing is durable before `commit`."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Open or create the file. Raises SpoolUnusable if that cannot be done.

        ``max_bytes`` bounds the database; its journal of some MB comes on top.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        except (OSError, sqlite3.Error) as error:
            raise SpoolUnusable(f"spool_path: {path} cannot be opened ({error})") from error
        try:
            self._set_up(max_bytes)
        except sqlite3.Error as error:
            self._db.close()
            raise SpoolUnusable(
                f"spool_path: {path} cannot be used ({error}). Is another ingester on it? If it is broken, move it away"
            ) from error

    def _set_up(self, max_bytes: int) -> None:
        for pragma in _PRAGMAS:
            self._db.execute(f"PRAGMA {pragma}")
        page = self._one("PRAGMA page_size")
        self._db.execute(f"PRAGMA max_page_count = {max(max_bytes // page, 16)}")
        self._db.execute(_SCHEMA)

    def begin(self) -> None:
        """Start a transaction. Raises sqlite3.Error."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Write everything since ``begin`` to the disk.

        Raises:
            SpoolError: The disk does not take it. Nothing since ``begin`` is written.
        """
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self.roll_back()
            raise SpoolError(str(error)) from error

    def roll_back(self) -> None:
        """Undo everything since `begin`. Raises sqlite3.Error."""
        if self._db.in_transaction:  # SQLite ends a transaction by itself on some failures, a full disk among them
            self._db.execute("ROLLBACK")

    def append(self, at: float, records: Sequence[EncodedRecord]) -> range:
        """Store records that arrived ``at`` seconds since 1970. Returns their ids. Raises sqlite3.Error."""
        last = 0
        for record in records:
            headers = json.dumps([(name, value.hex()) for name, value in record.headers])
            row = (at, record.topic, record.key, record.value, headers, _checksum(record))
            cursor = self._db.execute(
                "INSERT INTO record (at, topic, key, value, headers, checksum) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            last = cursor.lastrowid or 0
        return range(last - len(records) + 1, last + 1)

    def head(self, after: int, limit: int) -> tuple[list[SpooledRecord], int]:
        """The oldest records behind id ``after``, and how many were found damaged and marked so now."""
        rows = self._db.execute(
            "SELECT id, topic, key, value, headers, checksum FROM record"
            " WHERE id > ? AND NOT damaged ORDER BY id LIMIT ?",
            (after, limit),
        ).fetchall()
        read = [(row[0], _read(row[1:5]), row[5]) for row in rows]
        good = [
            SpooledRecord(id_, record)
            for id_, record, checksum in read
            if record is not None and _checksum(record) == checksum
        ]
        bad = {row[0] for row in rows} - {spooled.id for spooled in good}
        self._db.executemany("UPDATE record SET damaged = 1 WHERE id = ?", [(id_,) for id_ in bad])
        return good, len(bad)

    def delete(self, ids: Sequence[range]) -> None:
        """Delete these records; damaged ones stay for a person to look at. Raises sqlite3.Error."""
        self._db.executemany(
            "DELETE FROM record WHERE id BETWEEN ? AND ? AND NOT damaged", [(run.start, run.stop - 1) for run in ids]
        )
        if not self._one("SELECT EXISTS (SELECT 1 FROM record)"):
            self._db.execute("PRAGMA incremental_vacuum(20000)").fetchall()  # pages given back to the file system

    def contents(self) -> SpoolContents:
        """What the file contains. Raises sqlite3.Error."""
        waiting, oldest_at = self._db.execute("SELECT count(*), min(at) FROM record WHERE NOT damaged").fetchone()
        used = self._one("PRAGMA page_count") - self._one("PRAGMA freelist_count")
        damaged = self._one("SELECT count(*) FROM record WHERE damaged")
        return SpoolContents(waiting, damaged, used * self._one("PRAGMA page_size"), oldest_at)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _one(self, sql: str) -> int:
        return int(self._db.execute(sql).fetchone()[0])


def _read(row: tuple[str, bytes | None, bytes | None, str]) -> EncodedRecord | None:
    """The record of a row; None if even its form is lost."""
    topic, key, value, headers = row
    try:
        return EncodedRecord(
            topic, key, value, tuple((name, bytes.fromhex(text)) for name, text in json.loads(headers))
        )
    except (ValueError, TypeError):
        return None


def _checksum(record: EncodedRecord) -> int:
    """CRC-32 over every field with its length, so that bytes moved from one field to the next are noticed."""
    headers = [value for name, content in record.headers for value in (name.encode(), content)]
    total = 0
    for field in (record.topic.encode(), record.key, record.value, *headers):
        prefix = b"-" if field is None else b"%d:" % len(field)
        total = crc32(field or b"", crc32(prefix, total))
    return total
