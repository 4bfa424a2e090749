"""What the documents say is so: generated pages are current, links resolve, commands parse, names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from processors.cli import cli
from processors.settings.model import Settings
from processors.settings.sources import CONFIG_VARIABLE, variables
from tests.documents import INLINE, PAGES, ROOT, prose, shell_lines, smsflow_commands

if not (ROOT / "docs").exists():
    pytest.skip("the documents stay in the checkout", allow_module_level=True)

COMPOSE_ONLY = {"SMSFLOW_PUBLIC_URL"}
"""Variables of docker-compose.yml, which hands them on under another name."""

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?:schemas|processors|connectors|tests|benchmarks|docs)/[\w./-]*\w")
COMMANDS = [(page.name, words) for page in PAGES for words in smsflow_commands(page)]


def _anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_generated_pages_are_current() -> None:
    checked = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(prose(page)):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=str)
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
    named = {path for text in INLINE.findall(prose(page)) for path in _PATH.findall(text) if text.startswith(path)}
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {words[1] for page in PAGES for words in shell_lines(page) if words[0] == "make" and len(words) > 1}
    named |= {text.split()[1] for page in PAGES for text in INLINE.findall(prose(page)) if text.startswith("make ")}
    assert named - targets == set()
