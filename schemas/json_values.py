"""How smsflow writes in JSON what JSON has no type for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from msgspec import Struct, structs


def json_value(value: object) -> str | dict[str, object]:
    """The JSON form of a value that ``json`` cannot write: pass this function as ``default`` of ``json.dumps``.

    Returns:
        ISO 8601 for a point in time or a day, plain decimal digits for an amount, hexadecimal digits for bytes,
        an object of its fields for a record or a state.

    Raises:
        TypeError: The value has any other type.
    """
    match value:
        case Struct():
            return structs.asdict(value)
        case date():  # a datetime is one
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case bytes():
            return value.hex()
    raise TypeError(f"no JSON form is defined for {type(value).__name__}")
