"""Brings a database to the schema of this release: ``migrations/*.sql`` in order, each once.

Every statement can be repeated (``IF NOT EXISTS``, ``OR REPLACE``), because ClickHouse has no transactions around them:
a run that stopped half-way continues, and two that start at once do the same work to the same end. Which files were
applied, and with what text, is in ``schema_migrations``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.errors import MigrationChanged

_STATEMENT_END = re.compile(r";[ \t]*(?:\n|\Z)")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_RECORD = """CREATE TABLE IF NOT EXISTS schema_migrations
(file String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = ReplacingMergeTree ORDER BY (file, checksum)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name says the order."""

    file: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The file cut where a line ends with a semicolon."""
        parts = (part.strip() for part in _STATEMENT_END.split(self.text))
        return [part for part in parts if _COMMENT.sub("", part).strip()]


def shipped_migrations() -> list[Migration]:
    """Every migration of this release, in order."""
    folder = files(__package__).joinpath("migrations")
    found = (Migration(file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".sql"))
    return sorted(found, key=lambda migration: migration.file)


def migrate(clickhouse: ClickHouse, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing; the names of the files applied. Raises MigrationChanged, QueryRefused, Unavailable."""
    clickhouse.create_database()
    clickhouse.command(_RECORD)
    known = dict(clickhouse.query("SELECT file, checksum FROM schema_migrations ORDER BY applied_at").rows)
    todo = list(_missing(shipped_migrations() if migrations is None else migrations, known))
    for migration in todo:
        for statement in migration.statements:
            clickhouse.command(statement)
        clickhouse.insert("schema_migrations", ("file", "checksum"), [(migration.file, migration.checksum)])
    return [migration.file for migration in todo]


def _missing(migrations: Iterable[Migration], known: dict[str, str]) -> Iterable[Migration]:
    for migration in migrations:
        if migration.file not in known:
            yield migration
        elif known[migration.file] != migration.checksum:
            raise MigrationChanged(
                f"{migration.file} was applied with another text (sha256 {known[migration.file][:12]}…, "
                f"now {migration.checksum[:12]}…): put it back and write the change as a new file"
            )
