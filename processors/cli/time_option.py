"""Command-line options that take a point in time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from schemas.durations import parse_duration


class TimeParam(click.ParamType):
    """A point in time: ISO 8601 with an offset (2026-03-01T09:30:00Z), or a duration from now like 90s, 10m, 4h, 7d.

    Args:
        sign: 1 for durations into the future, -1 for durations into the past.
    """

    name = "TIME"

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The point in time, in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.now(UTC) + self._sign * parse_duration(value.removeprefix("+"))
        except OverflowError:
            self.fail(f"{value!r} is too long", param, ctx)
        except ValueError:
            return self._parse_instant(value, param, ctx)

    def _parse_instant(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a duration like 10m, 4h, 7d nor an instant like 2026-03-01T09:30:00Z", param, ctx
            )
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no offset: add Z for UTC, or +01:00", param, ctx)
        return instant.astimezone(UTC)


FUTURE = TimeParam(1)
PAST = TimeParam(-1)
