"""The errors this package raises, named by what can be done about them."""


class SchemaError(Exception):
    """Root of everything raised here."""


class DecodeError(SchemaError):
    """These bytes are not a record of the topic: they belong in its dead letter. ``reason`` is a stable word."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class EncodeError(SchemaError):
    """A record of ours does not fit its schema: a bug, or a value nobody checked. Names the field."""
