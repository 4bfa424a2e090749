"""How smsflow writes in JSON what JSON has no type for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal


def json_value(value: object) -> str:
    """A string for a value that ``json`` cannot write: pass this function as ``default`` of ``json.dumps``.

    Returns:
        ISO 8601 for a point in time or a day, plain decimal digits for an amount, hexadecimal digits for bytes.

    Raises:
        TypeError: The value has any other type.
    """
    match value:
        case date():  # a datetime is one
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case bytes():
            return value.hex()
    raise TypeError(f"no JSON form is defined for {type(value).__name__}")
