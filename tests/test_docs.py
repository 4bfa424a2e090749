"""What the documents say is so: generated pages are current, links resolve, commands parse, names exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from processors.cli import cli
from processors.settings import Settings
from processors.settings_sources import CONFIG_VARIABLE, variables

ROOT = Path(__file__).parent.parent
if not (ROOT / "docs").exists():
    pytest.skip("the documents stay in the checkout", allow_module_level=True)

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMPOSE_ONLY = {"SMSFLOW_PUBLIC_URL"}
"""Variables of docker-compose.yml, which hands them on under another name."""

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:schemas|processors|connectors|tests|benchmarks|docs)/[\w./-]*\w")


def _prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def _shell_lines(page: Path) -> Iterator[list[str]]:
    for kind, block in _FENCE.findall(page.read_text("utf-8")):
        if kind in ("console", "sh", "bash"):
            yield from (words for line in block.splitlines() if (words := shlex.split(line, comments=True)))


def _anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _commands() -> list[tuple[str, list[str]]]:
    """(page, words) of every smsflow command in a block, and of those in the text that are whole."""
    found = []
    for page in PAGES:
        inline = (shlex.split(text) for text in _INLINE.findall(_prose(page)) if text.startswith("smsflow "))
        for words in (*_shell_lines(page), *inline):
            while words and re.fullmatch(r"SMSFLOW_\w+=.*", words[0]):
                words = words[1:]
            if words[:1] == ["smsflow"] and not any(sign in word for word in words[1:] for sign in ("…", "|")):
                found.append((page.name, words[1:]))
    return found


def test_the_generated_pages_are_current() -> None:
    checked = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_prose(page)):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize(("page", "words"), _commands(), ids=str)
def test_every_command_parses(page: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed by the command's own options and types, and not run; the files it reads are there."""
    monkeypatch.chdir(tmp_path)
    for word in words:
        if word.endswith((".json", ".toml", ".tsv")):
            Path(word).touch()
    command: click.Command = cli
    context = None
    try:
        while isinstance(command, click.Group) and words:
            context = command.make_context(command.name, list(words), parent=context)
            left = [*context._protected_args, *context.args]
            name, found, words = command.resolve_command(context, left)
            assert found is not None, name
            command = found
        if not isinstance(command, click.Group):
            command.make_context(command.name, list(words), parent=context)
    except click.exceptions.Exit as done:  # --help, --version
        assert done.exit_code == 0
    except click.UsageError as error:
        pytest.fail(f"{page}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_named_is_a_setting(page: Path) -> None:
    known = {*variables(Settings), CONFIG_VARIABLE, *COMPOSE_ONLY}
    named = set(re.findall(r"\bSMSFLOW_[A-Z_]+[A-Z]\b", page.read_text("utf-8")))
    assert named - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_named_exists(page: Path) -> None:
    named = {path for text in _INLINE.findall(_prose(page)) for path in _PATH.findall(text) if text.startswith(path)}
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {words[1] for page in PAGES for words in _shell_lines(page) if words[0] == "make" and len(words) > 1}
    named |= {text.split()[1] for page in PAGES for text in _INLINE.findall(_prose(page)) if text.startswith("make ")}
    assert named - targets == set()
