"""Tables are the same in a terminal and in a pipe: a row is a line."""

from __future__ import annotations

import pytest

from processors.cli.tables import echo_pairs, echo_table


def test_a_row_is_a_line_however_long_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(("text", "count"), [("x" * 500, 1), ("[red]y[/red]", None)], right=("count",))
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["text", "count"]
    assert first == "x" * 500 + "      1"
    assert second == "[red]y[/red]"


def test_pairs_stand_one_below_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    echo_pairs({"sent": 3, "delivered": "2"})
    assert capsys.readouterr().out == "sent       3\ndelivered  2\n"
