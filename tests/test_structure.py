"""The house rules that a machine can hold: sizes, names, circles, what is raised, and the glossary."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests import structure
from tests.structure import Definition, Function, Module

ROOT = Path(structure.__file__).parent.parent
if not (ROOT / "schemas").exists():
    pytest.skip("the rules judge the checkout, not the wheel", allow_module_level=True)

MODULES = structure.product_modules(ROOT)

MOST_MODULES = 20
MOST_MODULE_LINES = 300
MOST_FUNCTION_LINES = 35

BANNED = {
    *("keep", "keeps", "kept", "keeping", "hold", "holds", "held", "part", "parts", "letter", "letters", "told"),
    *("tell", "tells", "said", "say", "says", "desk", "ticket", "tickets", "twin"),
}
"""Words that meant several things each, or nothing that a newcomer could know."""
BANNED_FOR_FUNCTIONS = {"judge", "judged", "judges", "verdict"}
PERMITTED = {
    "Hold": "the objection of a rule that can pass",
    "KEEP_ALIVE_S": "HTTP's word",
    "keep_alive": "HTTP's word",
    "_keep_alive": "HTTP's word",
    "keep_data": "the option --keep",
    "letters_and_digits": "letters of the alphabet",
}
"""Names with a banned word, and why."""


def is_click_command(node: Function) -> bool:
    """Whether the docstring is the help text of a command."""
    return any(re.search(r"\b(command|group)\(", ast.unparse(decorator)) for decorator in node.decorator_list)


def banned_words(name: str, banned: set[str]) -> set[str]:
    """The banned words of a name; a dead letter is a word of its own."""
    plain = re.sub(r"dead_?letter", "", name, flags=re.IGNORECASE)
    return banned.intersection(structure.words(plain))


def test_no_folder_has_more_modules_than_one_can_look_over() -> None:
    sizes = structure.folder_sizes(MODULES)
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def test_no_module_is_too_long() -> None:
    lengths = {module.name: module.lines for module in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_MODULE_LINES} == {}


def test_no_function_is_too_long() -> None:
    lengths = {found.place: structure.function_lines(node) for found, node in structure.functions(MODULES)}
    assert {place: length for place, length in lengths.items() if length > MOST_FUNCTION_LINES} == {}


def test_no_class_and_no_public_function_has_the_name_of_another() -> None:
    found = structure.duplicate_names(MODULES)
    assert found == {}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_names_have_no_banned_words(module: Module) -> None:
    found = [
        f"line {line}: {name}"
        for name, line in structure.identifiers(module)
        if banned_words(name, BANNED) and name not in PERMITTED
    ]
    assert found == []


def test_no_function_judges() -> None:
    found = {item.place for item, node in structure.functions(MODULES) if banned_words(node.name, BANNED_FOR_FUNCTIONS)}
    assert found == set()


def test_no_files_import_each_other_in_a_circle() -> None:
    assert structure.circles(structure.import_graph(MODULES)) == []


@pytest.mark.parametrize("package", ["processors", "processors.core", "connectors"])
def test_no_folders_import_each_other_in_a_circle(package: str) -> None:
    assert structure.circles(structure.folder_graph(structure.import_graph(MODULES), package)) == []


def test_nothing_stands_loose_at_the_root_of_processors() -> None:
    assert structure.loose_modules(MODULES) == []


RAISING = [(found, node) for found, node in structure.raising(MODULES) if not is_click_command(node)]


@pytest.mark.parametrize(("found", "node"), RAISING, ids=lambda value: getattr(value, "place", ""))
def test_a_public_function_says_what_it_raises(found: Definition, node: Function) -> None:
    assert "Raises:" in (ast.get_docstring(node) or "")


GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
TERMS = re.findall(r"^\| \*\*([\w -]+)\*\* \| (.+) \| (.+) \|$", GLOSSARY, re.MULTILINE)


def test_the_glossary_is_read_whole_and_in_order() -> None:
    terms = [term for term, *_ in TERMS]
    assert len(terms) == GLOSSARY.count("\n| **")
    assert terms == sorted(set(terms))


@pytest.mark.parametrize(("term", "places"), [(term, places) for term, _, places in TERMS], ids=[t for t, *_ in TERMS])
def test_each_term_of_the_glossary_stands_where_it_says(term: str, places: str) -> None:
    word = re.compile(re.sub("[ -]", "[ _-]?", term), re.IGNORECASE)
    for place in re.findall(r"\]\(\.\./(.+?)\)", places):
        path = ROOT / place
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        assert any(word.search(f"{file.name} {file.read_text('utf-8', 'replace')}") for file in files), place
