"""Exponential back-off, the one formula of it. Pure: what waits, waits by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

Delay = TypeVar("Delay", float, timedelta)

_MOST_DOUBLINGS = 30
"""More would overflow a ``timedelta`` long after every ``longest`` is reached."""


def backoff_delay(first: Delay, longest: Delay, failures: int) -> Delay:
    """The delay before the next try: ``first`` after one failure, doubled by each further one, up to ``longest``.

    Args:
        first: The delay after the first failure, at most some minutes; seconds where it is a number.
        longest: The upper bound, in the same unit.
        failures: How many failures in a row, from 1.
    """
    factor: int = 2 ** min(failures - 1, _MOST_DOUBLINGS)
    return min(first * factor, longest)
