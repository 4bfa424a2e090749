"""docs/configuration.md: every setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pages.tools import MEANINGS, NOTE, matched, page, table

from processors.settings.model import Settings


def configuration_page() -> str:
    """Every setting."""
    fields = {".".join(path): (path, field) for path, field in _settings(Settings, ())}
    meanings = matched("settings", fields)
    groups: dict[str, list[list[str]]] = {}
    for name, (path, field) in fields.items():
        row = [f"`{name}`", f"`{'_'.join(('SMSFLOW', *path)).upper()}`", _shown(field), str(meanings[name])]
        groups.setdefault(path[0] if len(path) > 1 else "", []).append(row)
    head = ("setting", "variable", "default", "meaning")
    tables = [
        f"### {'Everything' if not group else f'`[{group}]`'}\n\n{table(head, rows)}" for group, rows in groups.items()
    ]
    pages = MEANINGS["pages"]
    note = NOTE.format(source="processors/settings/model.py and docs/meanings.toml")
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
