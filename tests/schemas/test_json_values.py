"""What JSON has no type for."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from schemas.json_values import json_value


def test_points_in_time_amounts_and_bytes_become_strings() -> None:
    values = [datetime(2026, 3, 1, 9, 30, tzinfo=UTC), date(2026, 3, 1), Decimal("0.0000001"), b"\x00\xff"]
    assert json.loads(json.dumps(values, default=json_value)) == [
        "2026-03-01T09:30:00+00:00",
        "2026-03-01",
        "0.0000001",
        "00ff",
    ]


def test_another_type_is_named() -> None:
    with pytest.raises(TypeError, match="for object"):
        json.dumps(object(), default=json_value)
