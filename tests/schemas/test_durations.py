"""Durations as people type them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("24h", timedelta(days=1)),
        ("14d", timedelta(days=14)),
    ],
)
def test_a_number_and_a_unit_are_a_duration(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "10", "m", "1.5h", "-1s", "10 m", "10m ", "1w", "٣s", "9999999999s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="like 10m"):
        parse_duration(text)
