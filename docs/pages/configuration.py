"""docs/configuration.md: every setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pages.tools import MEANINGS, NOTE, Undocumented, page, table

from processors.settings.model import Settings
from processors.settings.sources import variable


def configuration_page() -> str:
    """Every setting."""
    groups: dict[str, list[list[str]]] = {}
    for path, field in _settings(Settings, ()):
        name = ".".join(path)
        if not field.description:
            raise Undocumented(f"{name} has no description in processors/settings")
        row = [f"`{name}`", f"`{variable(path)}`", _shown(field), field.description]
        groups.setdefault(path[0] if len(path) > 1 else "", []).append(row)
    head = ("setting", "variable", "default", "meaning")
    tables = [
        f"### {'Everything' if not group else f'`[{group}]`'}\n\n{table(head, rows)}" for group, rows in groups.items()
    ]
    pages = MEANINGS["pages"]
    note = NOTE.format(source="processors/settings/ and docs/meanings.toml")
    return page(note, "# Configuration", pages["configuration"], *tables, pages["senders"])


def _settings(model: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from _settings(field.annotation, (*path, name))
        else:
            yield (*path, name), field


def _shown(field: Any) -> str:
    value = field.default
    if value is None or value in ("", (), {}):
        return "none"
    return f"`{value}`".replace("True", "true").replace("False", "false")
