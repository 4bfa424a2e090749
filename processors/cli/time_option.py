"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_SPAN = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class TimeParam(click.ParamType):
    """An instant: ISO 8601 with an offset (2026-03-01T09:30:00Z), or a span like 90s, 10m, 4h, 7d from now.

    ``sign``: 1 for spans into the future, -1 for spans into the past.
    """

    name = "TIME"

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        span = _SPAN.fullmatch(value.removeprefix("+"))
        if span:
            return datetime.now(UTC) + self._sign * timedelta(**{_UNITS[span[2]]: int(span[1])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a span like 10m, 4h, 7d nor an instant like 2026-03-01T09:30:00Z", param, ctx
            )
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no offset: add Z for UTC, or +01:00", param, ctx)
        return moment.astimezone(UTC)


FUTURE = TimeParam(1)
PAST = TimeParam(-1)
