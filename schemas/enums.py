"""The words of the records: each field with a fixed set of values has its enumeration here.

Reasons and smsflow's own statuses are in ``schemas.reasons``, with their meaning and what to do.
"""

from __future__ import annotations

from enum import StrEnum


class MessageClass(StrEnum):
    """What a message is for; it decides lane, deadline and what happens when an outcome stays unknown."""

    OTP = "otp"
    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"
    CONVERSATION = "conversation"


class Lane(StrEnum):
    """Which dispatch topic an attempt takes: urgent before normal before bulk."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"


class Action(StrEnum):
    """What the sender stage is asked to do."""

    SEND = "send"
    LOOK_UP = "look_up"


class Outcome(StrEnum):
    """What is known of one attempt. The order of certainty is in ``processors.core.person.settlement``."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    ABSENT = "absent"


class ConsentState(StrEnum):
    """What a consent change says."""

    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
