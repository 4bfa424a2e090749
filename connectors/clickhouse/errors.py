"""What can go wrong with ClickHouse here, named by what can be done about it. No SDK's exception leaves here."""

from __future__ import annotations


class ClickHouseConnectorError(Exception):
    """Root of everything this package raises."""


class Unavailable(ClickHouseConnectorError):
    """No answer, or a broken one: ask again later. The address is named, never the password."""


class QueryRefused(ClickHouseConnectorError):
    """ClickHouse answered no: the statement, the rights or the schema must change. Its own words are in the text."""


class FolderInUse(ClickHouseConnectorError):
    """The chDB folder is owned by another process (or this one has another folder open): ask that process."""


class MigrationChanged(ClickHouseConnectorError):
    """A migration that was applied has another text now: put the file named back and add a new one."""


class UnknownReport(ClickHouseConnectorError):
    """No report of that name or grouping; the text says which there are."""


class Unstorable(ClickHouseConnectorError):
    """A record holds a value no column can: it belongs in the dead letter. The field is named."""
