"""Figures of the product's structure: how large, how named, how explained. ``python -m tests.structure [ROOT]``.

It reads sources only and imports nothing of the product, so that it measures any checkout.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PRODUCT = ("schemas", "processors", "connectors")
Function = ast.FunctionDef | ast.AsyncFunctionDef
Graph = Mapping[str, set[str]]

_DIRECTIVE = re.compile(r"#\s*(noqa|type:|fmt:|pragma:|!)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True)
class Module:
    """One source file of the product."""

    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The module's syntax tree."""
        return ast.parse(self.text, str(self.path))

    @cached_property
    def lines(self) -> int:
        """How many lines the file has."""
        return self.text.count("\n")

    @property
    def package(self) -> str:
        """The folder of the file, as a dotted name."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Definition:
    """A class or function, with where it stands: ``name`` is dotted, from the module on."""

    module: str
    name: str
    node: Function | ast.ClassDef
    in_function: bool = False
    in_class: bool = False

    @property
    def place(self) -> str:
        """``module:Class.method``."""
        return f"{self.module}:{self.name}"

    @property
    def is_public(self) -> bool:
        """Whether no part of the name is private; what stands in a function is private to it."""
        return not self.in_function and not any(part.startswith("_") for part in self.name.split("."))


def product_modules(root: Path) -> tuple[Module, ...]:
    """Every module of the product in a checkout."""
    found = []
    for package in PRODUCT:
        for path in sorted((root / package).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            found.append(Module(name, path, path.read_text("utf-8")))
    return tuple(found)


def definitions(modules: Iterable[Module]) -> Iterator[Definition]:
    """Every class and function, nested ones included."""
    for module in modules:
        yield from _defined(module.name, module.tree, "", in_function=False, in_class=False)


def _defined(module: str, tree: ast.AST, outer: str, *, in_function: bool, in_class: bool) -> Iterator[Definition]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            name = f"{outer}{node.name}"
            yield Definition(module, name, node, in_function, in_class)
            is_class = isinstance(node, ast.ClassDef)
            yield from _defined(
                module, node, f"{name}.", in_function=in_function or not is_class, in_class=in_class or is_class
            )
        else:
            yield from _defined(module, node, outer, in_function=in_function, in_class=in_class)


def functions(modules: Iterable[Module]) -> list[tuple[Definition, Function]]:
    """Every function and method."""
    return [(found, found.node) for found in definitions(modules) if isinstance(found.node, Function)]


def folder_sizes(modules: Iterable[Module]) -> Counter[str]:
    """Folder to the number of modules in it, ``__init__.py`` included."""
    return Counter(module.package for module in modules)


def function_lines(node: Function) -> int:
    """Lines of a function without its decorators and its docstring."""
    assert node.end_lineno is not None
    lines = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is None:
        return lines
    assert first.end_lineno is not None
    return lines - (first.end_lineno - first.lineno + 1)


def duplicate_names(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Name of a class, or of a public function outside classes, to all its modules, where it has more than one.

    The ``command`` of each verb of the command line may repeat.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for item in definitions(modules):
        is_class = isinstance(item.node, ast.ClassDef)
        if item.node.name != "command" and (is_class or (item.is_public and not item.in_class)):
            found[item.node.name].append(item.module)
    return {name: places for name, places in sorted(found.items()) if len(places) > 1}


def raising(modules: Iterable[Module]) -> list[tuple[Definition, Function]]:
    """Public functions with a ``raise`` of their own that names an error."""
    return [(found, node) for found, node in functions(modules) if found.is_public and _raises(node)]


def _raises(node: Function) -> bool:
    return any(isinstance(child, ast.Raise) and child.exc is not None for child in _own_nodes(node))


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, Function | ast.ClassDef | ast.Lambda):
            yield from _own_nodes(child)


def says_what_it_raises(node: Function) -> bool:
    """Whether the docstring names the errors."""
    return re.search(r"\bRaises\b", ast.get_docstring(node) or "") is not None


def words(name: str) -> list[str]:
    """The words of an identifier, in lower case: ``_DeadLetter`` to ``dead`` and ``letter``."""
    return [word.lower() for word in _WORD.findall(name)]


def identifiers(module: Module) -> Iterator[tuple[str, int]]:
    """Names of classes, functions, parameters and attributes that a module defines, each with its line."""
    for node in ast.walk(module.tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
        if isinstance(node, ast.ClassDef | ast.Module):
            yield from _assigned(node)


def _assigned(scope: ast.ClassDef | ast.Module) -> Iterator[tuple[str, int]]:
    for node in scope.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from ((target.id, target.lineno) for target in targets if isinstance(target, ast.Name))


def import_graph(modules: Iterable[Module]) -> Graph:
    """Module to the modules of the product that it imports, anywhere in it."""
    names = {module.name for module in modules}
    graph: dict[str, set[str]] = {}
    for module in modules:
        found: set[str] = set()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found |= {_imported(node.module, alias.name, names) for alias in node.names}
        graph[module.name] = (found & names) - {module.name}
    return graph


def _imported(module: str, name: str, names: set[str]) -> str:
    return f"{module}.{name}" if f"{module}.{name}" in names else module


def folder_graph(graph: Graph, package: str) -> Graph:
    """The same between the folders right below a package; modules of the package itself are left out."""
    depth = package.count(".") + 2
    folders: dict[str, set[str]] = defaultdict(set)
    for module, imported in graph.items():
        if module.startswith(f"{package}."):
            folder = ".".join(module.split(".")[:depth])
            others = {".".join(name.split(".")[:depth]) for name in imported if name.startswith(f"{package}.")}
            folders[folder] |= others - {folder}
    return folders


def circles(graph: Graph) -> list[list[str]]:
    """Groups of nodes that import each other, directly or not."""
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {
        tuple(sorted({name, *(other for other in reach[name] if name in reach.get(other, ()))})) for name in graph
    }
    return sorted(list(group) for group in groups if len(group) > 1)


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    left = [start]
    while left:
        for name in graph.get(left.pop(), ()):
            if name not in seen:
                seen.add(name)
                left.append(name)
    return seen


def comment_rate(modules: Iterable[Module]) -> float:
    """Comments for each 100 lines of code; blank lines, docstrings and directives to tools count as neither."""
    comments = code = 0
    for module in modules:
        docstring_lines = _docstring_lines(module.tree)
        code_lines: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            if token.type == tokenize.COMMENT:
                comments += not _DIRECTIVE.match(token.string)
            elif token.type not in (
                tokenize.NL,
                tokenize.NEWLINE,
                tokenize.INDENT,
                tokenize.DEDENT,
                tokenize.ENDMARKER,
            ):
                code_lines |= set(range(token.start[0], token.end[0] + 1))
        code += len(code_lines - docstring_lines)
    return 100 * comments / code


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Lines of every string that is a statement: docstrings, and those below an attribute."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None
            found |= set(range(node.lineno, node.end_lineno + 1))
    return found


def loose_modules(modules: Iterable[Module]) -> list[str]:
    """Modules right below ``processors``, its ``__init__`` left out."""
    return [module.name for module in modules if module.package == "processors" and module.path.name != "__init__.py"]


def figures(root: Path) -> Iterator[tuple[str, str]]:
    """What is measured, and its figure."""
    modules = product_modules(root)
    fullest, size = folder_sizes(modules).most_common(1)[0]
    longest = max(modules, key=lambda module: module.lines)
    function, node = max(functions(modules), key=lambda found: function_lines(found[1]))
    graph = import_graph(modules)
    repeated = duplicate_names(modules)
    classes = {item.node.name for item in definitions(modules) if isinstance(item.node, ast.ClassDef)}
    public = raising(modules)
    yield "modules", str(len(modules))
    yield "lines", str(sum(module.lines for module in modules))
    yield "modules in the fullest folder", f"{size} ({fullest})"
    yield "longest module, lines", f"{longest.lines} ({longest.name})"
    yield "longest function, lines without docstring", f"{function_lines(node)} ({function.place})"
    yield "class names used twice", str(len(classes & repeated.keys()))
    yield "public function names used twice", str(len(repeated.keys() - classes))
    yield (
        "public functions that raise and say so",
        f"{sum(says_what_it_raises(item) for _, item in public)} of {len(public)}",
    )
    yield "comments for 100 lines of code", f"{comment_rate(modules):.1f}"
    yield "import circles of files", str(len(circles(graph)))
    yield "import circles of the folders of processors", str(len(circles(folder_graph(graph, "processors"))))
    yield "loose modules below processors", str(len(loose_modules(modules)))


def main(arguments: list[str]) -> int:
    """Print the figures of the checkout given as the first argument; of this one if none is given."""
    root = Path(arguments[0]) if arguments else Path(__file__).parent.parent
    for name, figure in figures(root):
        sys.stdout.write(f"{name:46} {figure}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
