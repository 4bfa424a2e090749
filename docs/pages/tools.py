"""What the pages share: tables, and the lines that code cannot say of itself."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent
ROOT = DOCS.parent
MEANINGS: dict[str, dict[str, Any]] = tomllib.loads((DOCS / "meanings.toml").read_text("utf-8"))
NOTE = "<!-- Written by `python docs/generate.py` from {source}. Change those, not this page. -->"


class Undocumented(Exception):
    """Something the code has and ``meanings.toml`` has not, or the other way round."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def matched(section: str, found: Iterable[str]) -> Mapping[str, Any]:
    """The section of ``meanings.toml`` for exactly these names. Raises Undocumented."""
    said, names = MEANINGS[section], set(found)
    for what, odd in (("has no line in", names - set(said)), ("is not in the code but in", set(said) - names)):
        if odd:
            raise Undocumented(f"{', '.join(sorted(odd))} {what} docs/meanings.toml [{section}]")
    return said


def page(*parts: str) -> str:
    """A page's text from its parts."""
    return "\n\n".join(part.strip() for part in parts) + "\n"
