"""After a failed attempt: when to make the next one, or why not.

Two limits always hold. An unknown outcome is not retried here: evidence settles it first. And after Twilio accepted a
message, another attempt may be a second text: it is made only for codes whose row in ``twilio_codes.csv`` states that
the message certainly never left Twilio (``resend``), and only for classes that ask for it (``classes.toml``). The codes
30003 and 30008 are never among them, because the handset may have the message.
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
    """Whether another attempt can help after an error code. The values are those of the table's column ``retry``."""

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

    Attributes:
        code: The error code, or None for the row of a range.
        resend: The message certainly never left Twilio, so that another attempt cannot be a second text.
        tries: The largest number of attempts in all, or None for the schedule's number.
        reason: The stable word that the failure is published under.
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
    """The table of codes.

    Attributes:
        single: Error code to its row.
        ranges: (lowest, highest, row), from narrow to wide. The last one covers every code.
    """

    single: Mapping[int, Code]
    ranges: tuple[tuple[int, int, Code], ...]

    def find(self, code: int) -> Code:
        """The row of a code, or of the narrowest range that covers the code."""
        if code in self.single:
            return self.single[code]
        return next(row for low, high, row in self.ranges if low <= code <= high)


def code_for_not_sent(reason: str) -> Code:
    """The row of an attempt that certainly was not processed by Twilio, so that another attempt is safe."""
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
class RetrySchedule:
    """Exponential back-off between attempts.

    Attributes:
        first: The delay after the first failure. It doubles with each further one, up to ``longest``.
        tries: The largest number of attempts in all.
    """

    first: timedelta
    longest: timedelta
    tries: int


@dataclass(frozen=True, slots=True)
class Again:
    """Make another attempt at ``at``."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Never:
    """Make no further attempt.

    Attributes:
        reason: The stable word that the failure is published under.
        because: Why there is no further attempt, for the failure's detail.
    """

    reason: str
    because: str


def next_try(
    code: Code,
    *,
    accepted: bool,
    resend_allowed: bool,
    tries: int,
    schedule: RetrySchedule,
    deadline: datetime,
    now: datetime,
    message_id: str,
    retry_after: timedelta = timedelta(),
) -> Again | Never:
    """Decide after a failed attempt.

    Args:
        code: The row of the failure's error code.
        accepted: Twilio had accepted the message before it failed.
        resend_allowed: The message class permits another attempt after acceptance.
        tries: How many attempts were made, from 1.
        schedule: The back-off.
        deadline: The message's deadline.
        now: The time of the decision.
        message_id: Spreads messages that failed together over time.
        retry_after: The shortest delay that Twilio asked for.
    """
    if code.retry is not Retry.LATER:
        return Never(code.reason, _ENDINGS[code.retry])
    if accepted and not (code.resend and resend_allowed):
        return Never(code.reason, "handed_over")
    if tries >= min(schedule.tries, code.tries or schedule.tries):
        return Never(code.reason, "tries_used_up")
    at = now + max(retry_delay(schedule, tries, message_id), retry_after)
    return Again(at) if at < deadline else Never(FailureReason.EXPIRED, "deadline")


def retry_delay(schedule: RetrySchedule, tries: int, message_id: str) -> timedelta:
    """The delay before the next attempt, between half and all of the exponential back-off.

    The share is a hash of the message's id and ``tries``: messages that failed together do not return together, and
    the same input always gives the same delay.
    """
    delay = backoff_delay(schedule.first, schedule.longest, tries)
    digest = blake2b(f"{message_id}/{tries}".encode(), digest_size=4).digest()
    return delay * (0.5 + int.from_bytes(digest) / 2**33)


_ENDINGS = {Retry.NEVER: "permanent", Retry.AFTER_FIX: "needs_a_fix", Retry.UNKNOWN: "outcome_unknown"}
