"""The journal on disk: one JSON line per fact, appended; what a killed process left unfinished is cut off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from connectors.simulator.model.store import Fact


class Journal:
    """An append-only file of facts.

    A line is with the operating system before `record` returns: it survives the process, though not a power cut.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._path = path
        self._cut_torn_line()
        self._file = path.open("ab", buffering=0)

    def facts(self) -> Iterator[Fact]:
        """Everything recorded so far, in order."""
        with self._path.open("rb") as lines:
            for line in lines:
                yield orjson.loads(line)

    def record(self, fact: Fact) -> None:
        self._file.write(orjson.dumps(fact, default=_plain, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        self._file.close()

    def _cut_torn_line(self) -> None:
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self._path.open("r+b") as file:
                file.truncate(whole)


def _plain(value: Any) -> Any:
    return str(value)
