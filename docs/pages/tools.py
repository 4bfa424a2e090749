"""What the pages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NOTE = "<!-- Written by `python docs/generate.py` from {source}. Change those, not this page. -->"


class Undocumented(Exception):
    """Something in the code has no description that a page could repeat."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def page(*parts: str) -> str:
    """A page's text from its parts."""
    return "\n\n".join(part.strip() for part in parts) + "\n"
