"""docs/reasons.md: every reason word there is, found in the code, and what to do about it."""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pages.tools import MEANINGS, NOTE, ROOT, Undocumented, matched, page, table

from connectors.twilio.api.sender import BY_CLASS, BY_STATUS
from processors.core.sender.decide import OWN_REASONS


def reasons_page() -> str:
    """Every reason word, and what to do."""
    core = list(_trees("processors/core"))
    shell = [*core, *_trees("processors/person"), *_trees("schemas"), *_trees("connectors/clickhouse")]
    twilio = list(_trees("connectors/twilio"))
    failed = {*_first(core, "Refuse"), *_first(core, "Never"), *_first(core, "BadNumber", 1)}
    waiting = {*_first(core, "Hold"), *_first(core, "start_wait", 1), "outcome_unknown"}
    dead = {*_first(shell, "UnprocessableRecord"), *_first(shell, "DecodeError"), *_first(shell, "partial", 1, "_bury")}
    dead |= {*_first(shell, "_dead_letter", 1), *_first(twilio, "_dead", 2)}
    attempts = {*OWN_REASONS, *(reason for _, reason in (*BY_STATUS.values(), *BY_CLASS.values()))}
    attempts |= {*_first(twilio, "NotSent"), *_first(twilio, "NoAnswer"), *MEANINGS["attempts"]}
    _require_spoken(MEANINGS["attempts"])
    pages, head = MEANINGS["pages"], ("reason", "means", "what to do")
    return page(
        NOTE.format(source="processors/, connectors/, schemas/ and docs/meanings.toml"),
        "# Reasons",
        pages["reasons"],
        "## Waiting",
        pages["waiting"],
        table(head, _rows("waiting", waiting)),
        "## Failed: our own words",
        pages["failed"],
        table(head, _rows("failed", failed)),
        "## Failed: words for Twilio's codes",
        pages["codes"],
        table(("action", "means"), ([f"`{name}`", text] for name, text in matched("actions", _actions()).items())),
        table(("code", "meaning", "reason", "again", "resend", "action"), _codes()),
        "## Attempts",
        pages["attempts"],
        table(head, _rows("attempts", attempts)),
        "## Dead letters",
        pages["dead"],
        table(head, _rows("dead", dead)),
    )


def _rows(section: str, found: Iterable[str]) -> Iterator[list[str]]:
    for name, line in matched(section, found).items():
        yield [f"`{name}`", line["means"], line["do"]]


def _trees(folder: str) -> Iterator[ast.Module]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield ast.parse(path.read_text("utf-8"))


def _first(trees: Sequence[ast.Module], call: str, place: int = 0, of: str = "") -> set[str]:
    """The words given at that place to calls of that name; ``of``: only where the first argument is that attribute."""
    constants = _constants(trees)
    found: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if not isinstance(node, ast.Call) or _name(node.func) != call or len(node.args) <= place:
            continue
        if not of or _name(node.args[0]) == of:
            found |= _words(node.args[place], constants)
    return found


def _words(node: ast.expr, constants: Mapping[str, str]) -> set[str]:
    if isinstance(node, ast.IfExp):
        return _words(node.body, constants) | _words(node.orelse, constants)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    name = _name(node)
    return {constants[name]} if name in constants and name.isupper() else set()


def _constants(trees: Sequence[ast.Module]) -> dict[str, str]:
    return {
        node.targets[0].id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _require_spoken(words: Iterable[str]) -> None:
    """Every one of these words stands in the code."""
    trees = [*_trees("processors"), *_trees("connectors/twilio")]
    spoken = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    unspoken = set(words) - {word for word in spoken if isinstance(word, str)}
    if unspoken:
        raise Undocumented(f"{', '.join(sorted(unspoken))}: nobody says that any more")


_AGAIN = {"N": "never", "L": "later", "F": "after a fix", "U": "unknown: settled first"}


def _code_rows() -> list[dict[str, str]]:
    return list(csv.DictReader((ROOT / "processors/policies/twilio_codes.csv").read_text("utf-8").splitlines()))


def _actions() -> set[str]:
    return {row["action"] for row in _code_rows()}


def _codes() -> Iterator[list[str]]:
    for row in _code_rows():
        again = _AGAIN[row["retry"]] + (f", {row['tries']} tries in all" if row["tries"] else "")
        source = row["source"]
        code = f"[{row['code']}]({source})" if source.startswith("https://") else row["code"].replace("*", "any other")
        yield [
            code,
            row["meaning"],
            f"`{row['reason']}`",
            again,
            row["resend"],
            f"`{row['action']}`",
        ]
