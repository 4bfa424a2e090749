"""What can go wrong with the spool, named by what can be done about it."""

from __future__ import annotations


class SpoolError(Exception):
    """The spool could not store or return a record (disk full, corrupt file). Stored records are not affected."""


class SpoolUnusable(SpoolError):
    """The spool's file cannot be opened, or another process holds it; the path is named, and what would be right."""
