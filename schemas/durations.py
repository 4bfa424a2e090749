"""Durations as people type them: ``90s``, ``10m``, ``24h``, ``14d``."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """The duration that a text like ``10m`` names.

    Args:
        text: A whole number of up to nine digits and ``s``, ``m``, ``h`` or ``d``.

    Raises:
        ValueError: The text has another form.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("a duration is a number and s, m, h or d, like 10m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
