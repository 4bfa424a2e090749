"""What the documents tell people to type, typed: page by page, in order, against the running system."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from schemas.topics import SMS_REVOCATIONS
from tests.documents import PAGES, ROOT, blocks, smsflow_commands, typed
from tests.integration.fixtures import person
from tests.integration.machine import Machine, until

if not (ROOT / "docs").exists():
    pytest.skip("the documents stay in the checkout", allow_module_level=True)

pytestmark = pytest.mark.kafka
QUICKSTART = ROOT / "docs" / "quickstart.md"
READER = "+12125550123"
"""Whom the documents write to."""
SUMMARY = ("report", "summary", "--since", "1h")
TO_YOUR_OWN_PHONE = "Hello from smsflow"
NOT_TYPED = {
    "up": "it is what runs",
    "demo": "starts a system of its own, and CI runs it by `make demo`",
    "worker": "a part of what runs",
    "ingest": "a part of what runs",
    "sink": "a part of what runs",
    "simulator": "a part of what runs",
}
REFUSED = {"migrate": "another process uses the embedded ClickHouse", "report": "Usage: smsflow report"}
"""What ends with an error here, and its words: the sink migrates; a verb that wants another word shows its help."""


def commands() -> Iterator[tuple[str, list[list[str]]]]:
    """(page, commands): each where it stands first."""
    seen = {(*words,) for words in smsflow_commands(QUICKSTART)}  # it is read from top to bottom, by its own test
    for page in PAGES:
        new = [words for words in smsflow_commands(page) if words[0] not in NOT_TYPED and (*words,) not in seen]
        seen |= {(*words,) for words in new}
        if new:
            yield page.name, new


@pytest.mark.parametrize(("page", "found"), [*commands()], ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_of_a_page_works(
    machine: Machine, tmp_path: Path, page: str, found: Sequence[Sequence[str]]
) -> None:
    """In one folder: a plan that one command writes the next one reads."""
    known = machine.smsflow("send", "--to", person(500), "--body", "Hello").strip()
    for words in found:
        told = [known if word == "MESSAGE_ID" else word for word in words]
        done = machine.attempt(*told, folder=tmp_path)
        refused = REFUSED.get(" ".join(words))
        assert (done.returncode == 0) == (refused is None), f"{page}: {words}: {done.stdout}{done.stderr}"
        assert (refused or "") in done.stdout + done.stderr
        assert done.stdout or refused


def test_the_quick_start_does_what_it_says(machine: Machine, tmp_path: Path) -> None:
    """Read from top to bottom: sent once however often it is asked for, and nothing after a STOP."""
    said = {tuple(words): type_it(machine, words, tmp_path) for words in typed(QUICKSTART)}
    assert "SendRequest" in said["smsflow", "trace", "hello-1", "--to", READER]
    until(lambda: re.search(r"^sent +[1-9]", machine.smsflow(*SUMMARY), re.MULTILINE), "the report counts it")
    assert "UCS-2" in said["smsflow", "segments", "für €5 …"]
    assert machine.failed("hello-2").reason == "opted_out"
    assert "reason=opted_out" in machine.smsflow("trace", "hello-2", "--to", READER)
    mine = [row["callback_url"] for row in machine.ledger(READER) if "attempt_id=hello-" in row["callback_url"]]
    assert len(mine) == 1, mine


def type_it(machine: Machine, words: list[str], folder: Path) -> str:
    """What the command says; the sentence before it was true when it was typed."""
    if words[0] == "curl":
        return stop(machine, words[words.index("-d") + 1])
    if (
        words[0] != "smsflow"
        or words[1] in NOT_TYPED
        or " ".join(words[1:]) in REFUSED
        or "Hello from smsflow" in words
    ):
        return ""
    done = machine.attempt(*words[1:], folder=folder)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    if "hello-1" in words:
        machine.became("hello-1", "sent")
    return done.stdout


def stop(machine: Machine, form: str) -> str:
    """The page's STOP, at this system's simulator; a person would not type on before it is known."""
    machine.control("inbound", **json.loads(form))
    until(lambda: any(told.person == READER for told in machine.records(SMS_REVOCATIONS)), "the STOP is known")
    return form


def test_the_program_of_the_quick_start_publishes(machine: Machine) -> None:
    [program] = blocks(QUICKSTART, "python")
    for page, here in (("127.0.0.1:9092", machine.told.broker), (READER, person(501))):
        assert page in program
        program = program.replace(page, here)
    exec(compile(program, QUICKSTART, "exec"), {})  # as its reader runs it
    machine.became("order-4711-shipped", "sent")
