"""After a failure: when again, or never. Its code, what was handed over, the deadline and the tries so far decide.

Two lines are never crossed. An unknown outcome isn't retried here: evidence settles it first. And once Twilio has
accepted a message, another attempt may be a second text, so it happens by itself only for codes whose row in
``twilio_codes.csv`` says that the message certainly never left Twilio (``resend``), and only for classes that ask for
it (``classes.toml``). 30003 and 30008 are never among them: the handset may have it. A replay may decide otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b

from schemas.backoff import backoff_delay
from schemas.reasons import ExplainedEnum, FailureReason


class Retry(StrEnum):
    """What a code says about another try; the letters stand in the table."""

    NEVER = "N"
    LATER = "L"
    AFTER_FIX = "F"
    UNKNOWN = "U"


class CodeAction(ExplainedEnum):
    """What smsflow does about a code besides ending or repeating the message."""

    OPT_OUT = (
        "opt_out",
        "a STOP of the person is recorded (channel `twilio`), its revocation published, and what waits is cancelled",
    )
    OPT_OUT_IF_TOLL_FREE = ("opt_out_if_toll_free", "the same, if the sender is a toll-free number; else nothing")
    SLOW_DOWN = (
        "slow_down",
        "at create: the sender's rate is halved, and grows back by a twentieth of its ceiling a second. At delivery: "
        "nothing yet",
    )
    PAUSE_SENDER = (
        "pause_sender",
        "at create: the sender's rate is halved and the sender rests 5 minutes. At delivery: nothing yet",
    )
    STOP_ACCOUNT = (
        "stop_account",
        "at create: the sender rests 5 minutes and an error is logged",
        "put the account in order",
    )
    NONE = ("none", "nothing beyond ending or repeating the message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What an error code of Twilio's means to smsflow: a row of ``twilio_codes.csv``.

    ``code`` is None for a range. ``resend``: the message certainly never left Twilio, so another attempt is no second
    text. ``tries`` bounds all tries together. ``reason`` is the stable word of our events.
    """

    code: int | None
    meaning: str
    retry: Retry
    resend: bool
    tries: int | None
    action: CodeAction
    reason: str


@dataclass(frozen=True, slots=True)
class Codes:
    """The table of codes: single codes first, then ranges from narrow to wide."""

    single: Mapping[int, Code]
    ranges: tuple[tuple[int, int, Code], ...]

    def find(self, code: int) -> Code:
        """The row of a code, or the default of the narrowest range that holds it; one range holds every code."""
        if code in self.single:
            return self.single[code]
        return next(row for low, high, row in self.ranges if low <= code <= high)


def not_sent(reason: str) -> Code:
    """The row for an attempt that certainly never reached Twilio, for a reason of our own: safe to try again."""
    return Code(
        code=None,
        meaning="certainly not processed",
        retry=Retry.LATER,
        resend=False,
        tries=None,
        action=CodeAction.NONE,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class Schedule:
    """Exponential back-off: ``first`` doubles with each try up to ``longest``; ``tries`` in all."""

    first: timedelta
    longest: timedelta
    tries: int


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more, not before ``at``."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Never:
    """No further try. ``reason`` is the stable word the failure is published under, ``because`` what ended it."""

    reason: str
    because: str


def next_try(
    code: Code,
    *,
    accepted: bool,
    resend_allowed: bool,
    tries: int,
    schedule: Schedule,
    deadline: datetime,
    now: datetime,
    message_id: str,
    retry_after: timedelta = timedelta(),
) -> Again | Never:
    """Decide after the failure of try number ``tries`` (from 1).

    ``accepted``: Twilio had taken the message before it failed. ``resend_allowed`` is the message class's word on
    that case. ``retry_after`` is what Twilio asked for, if it did.
    """
    if code.retry is not Retry.LATER:
        return Never(code.reason, _FINAL[code.retry])
    if accepted and not (code.resend and resend_allowed):
        return Never(code.reason, "handed_over")
    if tries >= min(schedule.tries, code.tries or schedule.tries):
        return Never(code.reason, "tries_used_up")
    at = now + max(back_off(schedule, tries, message_id), retry_after)
    return Again(at) if at < deadline else Never(FailureReason.EXPIRED, "deadline")


def back_off(schedule: Schedule, tries: int, message_id: str) -> timedelta:
    """How long to wait after a number of tries, between half and all of the exponential delay.

    The share is drawn from the message's id, so that messages that failed together don't return together, and the same
    question has the same answer.
    """
    delay = backoff_delay(schedule.first, schedule.longest, tries)
    digest = blake2b(f"{message_id}/{tries}".encode(), digest_size=4).digest()
    return delay * (0.5 + int.from_bytes(digest) / 2**33)


_FINAL = {Retry.NEVER: "permanent", Retry.AFTER_FIX: "needs_a_fix", Retry.UNKNOWN: "outcome_unknown"}
