"""The errors this package raises, named by what can be done about them.

::

    SchemaError
    ├── DecodeError    bytes from elsewhere are no record of the topic: dead-letter them
    └── EncodeError    a record of smsflow's own does not fit its schema: a bug
"""

from __future__ import annotations

from schemas.reasons import DeadLetterReason


class SchemaError(Exception):
    """Root of every error that this package raises."""


class DecodeError(SchemaError):
    """The bytes are not a record of the topic: they belong on its dead-letter topic.

    Attributes:
        reason: The reason of the dead letter.
        detail: The same in words, for a person to read.
    """

    def __init__(self, reason: DeadLetterReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class EncodeError(SchemaError):
    """A record does not fit its schema: a bug, or a value that nobody checked. The text names record and field."""
