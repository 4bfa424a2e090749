"""docs/simulator.md says what is so: its examples run, its lists are complete, its sources are those of the tests."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from connectors.simulator.behaviour.twilio import SimulatedTwilio
from connectors.simulator.clock import SteppedClock
from connectors.simulator.engine import Engine
from connectors.simulator.model.faults import FAULT_NAMES, Faults
from connectors.simulator.model.settings import ACCOUNT_SID, AUTH_TOKEN, SimulationSettings
from connectors.simulator.server import Simulator, create_simulator
from tests.connectors.simulator.conftest import ALWAYS

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "simulator.md"
if not PAGE.exists():
    pytest.skip("the documents stay in the checkout", allow_module_level=True)
TEXT = PAGE.read_text("utf-8")
CURLS = re.findall(r"^curl .*$", TEXT, re.MULTILINE)
ROWS = re.findall(r"^\| (.+) \| \[[^]]+\]\((\S+)\) \| `(test_\w+)` \|$", TEXT, re.MULTILINE)


def _section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_every_curl_is_answered_well(tmp_path: Path) -> None:
    """In the page's order, on one simulator; curl itself fails on an answer of 400 and above."""
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\nnoproxy = *\n")
    async with Simulator(mix=ALWAYS) as simulator:
        given = {"SIMULATOR": simulator.base_url, "ACCOUNT": f"{ACCOUNT_SID}:{AUTH_TOKEN}", "CURL_HOME": str(tmp_path)}
        for line in CURLS:
            process = await asyncio.create_subprocess_exec(
                "sh",
                "-c",
                line,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **given},
            )
            said, _ = await process.communicate()
            assert process.returncode == 0, f"{line}: {said.decode()}"
    assert len(CURLS) > 15


async def test_the_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    for test in tests:
        await test()  # type: ignore[operator]
    assert len(tests) == 1


def test_every_control_call_is_listed_and_every_listed_one_exists() -> None:
    twilio, clock = SimulatedTwilio(SimulationSettings()), SteppedClock()
    app = create_simulator(twilio, clock=clock, faults=Faults(1), engine=Engine(twilio, clock))
    found = {(route.method, resource.canonical) for resource in app.router.resources() for route in resource}
    listed = re.findall(r"`(GET|POST|DELETE) (/sim/[\w{}/-]+)`", TEXT)
    assert set(listed) == {(method, path) for method, path in found if path.startswith("/sim/") and method != "HEAD"}


def test_every_fault_is_listed_and_every_listed_one_exists() -> None:
    assert re.findall(r"^\| `(\w+)` \|", _section("Faults"), re.MULTILINE) == list(FAULT_NAMES)


def _docstrings() -> dict[str, str]:
    """What each test says, with what its module says."""
    found = {}
    for path in HERE.glob("test_*.py"):
        module = ast.parse(path.read_text("utf-8"))
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name] = f"{ast.get_docstring(node)} {ast.get_docstring(module)}"
    return found


@pytest.mark.parametrize(("behaviour", "source", "test"), ROWS, ids=[row[2] for row in ROWS])
def test_every_behaviour_has_a_test_that_names_its_source(behaviour: str, source: str, test: str) -> None:
    said = _docstrings()
    assert test in said, f"{behaviour}: no such test"
    assert re.search(rf"{re.escape(source)}(?![\w/-])", said[test]), f"{test} does not name {source}"


def test_every_behaviour_of_the_page_is_held_against_a_test() -> None:
    lines = re.findall(
        r"^\| (?!Behaviour)", _section("What it simulates, and the source of each behaviour"), re.MULTILINE
    )
    assert len(ROWS) == len(lines) > 40
