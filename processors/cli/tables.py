"""Tables on standard output: of the same width in a terminal and in a pipe, so that they can be filtered by line."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 100_000
"""More characters than a row has: rich must never fold or cut one."""


def echo_table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[str] = ()) -> None:
    """Print a table.

    Args:
        columns: The columns' names.
        rows: One value per column; None is an empty cell.
        right: The names of columns that are aligned to the right.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    _echo(table, rows)


def echo_pairs(pairs: Mapping[str, object]) -> None:
    """Print names and their values, one pair a line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    _echo(table, pairs.items())


def _echo(table: Table, rows: Iterable[Sequence[object]]) -> None:
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
