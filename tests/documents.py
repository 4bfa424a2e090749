"""The documents as the tests read them: their prose, and what they tell a person to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def blocks(page: Path, *kinds: str) -> Iterator[str]:
    """The page's fenced blocks of these kinds."""
    return (block for kind, block in _FENCE.findall(page.read_text("utf-8")) if kind in kinds)


def shell_lines(page: Path) -> Iterator[list[str]]:
    """The words of every line in the page's console blocks."""
    for block in blocks(page, "console", "sh", "bash"):
        yield from (words for line in block.splitlines() if (words := shlex.split(line, comments=True)))


def typed(page: Path) -> Iterator[list[str]]:
    """The words of every line in a block, then of every `smsflow` command in the text; without variables before."""
    inline = (shlex.split(text) for text in INLINE.findall(prose(page)) if text.startswith("smsflow "))
    for words in (*shell_lines(page), *inline):
        while words and re.fullmatch(r"SMSFLOW_\w+=.*", words[0]):
            words = words[1:]
        if words:
            yield words


def smsflow_commands(page: Path) -> list[list[str]]:
    """What follows `smsflow` in every whole command (no word of it is an ellipsis), a choice `a|b` spelled out."""
    said = (words[1:] for words in typed(page) if words[0] == "smsflow" and "…" not in words)
    return [list(words) for command in said for words in product(*(word.split("|") for word in command))]
