"""What a rule can object: never send this message, or do not send it yet."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class Refuse(Struct, frozen=True):
    """Never send the message.

    Attributes:
        reason: The stable word the failure is published under.
        detail: What is wrong and how to put it right, for a person to read.
        suppressed: A rule protects the person, so that no replay may send the message.
        replayable: A replay may send the message, because the cause can pass.
    """

    reason: str
    detail: str
    suppressed: bool = False
    replayable: bool = False


class Hold(Struct, frozen=True):
    """Do not send the message yet: ask the rules again at ``until``."""

    reason: str
    until: datetime
