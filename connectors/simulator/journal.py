"""The journal on disk: one JSON line per entry, appended."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from connectors.simulator.model.store import JournalEntry


class Journal:
    """An append-only file of journal entries.

    When ``append`` returns, the operating system has the line: it survives the process, but not a power failure.
    A last line that a killed process left incomplete is removed when the file is opened.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and create it and its directory where missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._path = path
        self._cut_torn_line()
        self._file = path.open("ab", buffering=0)

    def entries(self) -> Iterator[JournalEntry]:
        """Every entry, in order. Instants are ISO 8601 texts."""
        with self._path.open("rb") as lines:
            for line in lines:
                yield orjson.loads(line)

    def append(self, entry: JournalEntry) -> None:
        """Write one entry."""
        self._file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut_torn_line(self) -> None:
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self._path.open("r+b") as file:
                file.truncate(whole)
