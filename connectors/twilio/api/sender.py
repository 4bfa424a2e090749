"""Sends through Twilio's create call and says only what is certain (port ``SmsSender``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from msgspec.structs import replace
from twilio.base.exceptions import TwilioException

from connectors.twilio.api.account import TwilioAccount
from connectors.twilio.api.create_params import create_params
from connectors.twilio.api.transport import PendingCall, Transport, calling
from connectors.twilio.errors import CallError, NotSent
from schemas.attempt_results import attempt_result
from schemas.enums import Outcome
from schemas.ports import Clock, LastCheck
from schemas.records import AttemptResult, Dispatch

logger = logging.getLogger(__name__)

# What an HTTP status makes certain. A 5xx may have been executed, a 503 included (Twilio's error 20500); a 429 had no
# effect (error 20429); a 408 comes from a proxy that does not say what it passed on; a redirect is no answer at all.
BY_STATUS: Mapping[int, tuple[Outcome, str]] = MappingProxyType(
    {408: (Outcome.UNKNOWN, "timeout"), 429: (Outcome.NOT_SENT, "rate_limited")}
)
BY_CLASS: Mapping[int, tuple[Outcome, str]] = MappingProxyType(
    {
        2: (Outcome.UNKNOWN, "unreadable_answer"),
        3: (Outcome.UNKNOWN, "redirected"),
        4: (Outcome.REJECTED, "refused_by_twilio"),
        5: (Outcome.UNKNOWN, "server_error"),
    }
)


class TwilioSender:
    """One account's sender. ``transport`` may be shared with a ``TwilioMessageList``; its maker closes it."""

    def __init__(self, account: TwilioAccount, transport: Transport, clock: Clock) -> None:
        self._account = account
        self._messages = account.messages(transport)
        self._clock = clock

    @property
    def timeout(self) -> float:
        """Seconds after which a call has ended."""
        return self._account.timeout

    async def send(self, attempt: Dispatch, last_check: LastCheck) -> AttemptResult:
        """Make one call, at most once. See ``schemas.ports.SmsSender``."""
        call = PendingCall(last_check)
        fields = create_params(attempt, self._account, self._clock.now())
        try:
            with calling(call):
                message = await self._messages.create_async(**fields)
            return self._accepted(attempt, message.sid, message.status)
        except Exception as error:  # noqa: BLE001  a written call has an answer, whatever the SDK makes of it
            return self._failed(attempt, call, error)

    def _accepted(self, attempt: Dispatch, sid: object, status: object) -> AttemptResult:
        if not isinstance(sid, str) or not sid:
            raise ValueError("a 2xx without a SID")
        known = status if isinstance(status, str) else None
        return replace(self._answer(attempt, Outcome.ACCEPTED), sid=sid, status=known)

    def _failed(self, attempt: Dispatch, call: PendingCall, error: Exception) -> AttemptResult:
        if isinstance(error, CallError):
            outcome = Outcome.NOT_SENT if isinstance(error, NotSent) else Outcome.UNKNOWN
            return self._answer(attempt, outcome, error.reason, error.detail)
        if call.status is None:
            logger.error("attempt %s: the SDK failed", attempt.attempt_id, exc_info=error)
            outcome = Outcome.UNKNOWN if call.written else Outcome.NOT_SENT
            return self._answer(attempt, outcome, "client_error", repr(error))
        return self._classified(attempt, call, call.status, error)

    def _classified(self, attempt: Dispatch, call: PendingCall, status: int, error: Exception) -> AttemptResult:
        outcome, reason = classify_response(status)
        return replace(
            self._answer(attempt, outcome, reason, _words(error)),
            code=_code(error, status),
            retry_after_ms=retry_after_ms(call.headers.get("Retry-After"), self._clock.now()),
        )

    def _answer(
        self, attempt: Dispatch, outcome: Outcome, reason: str | None = None, detail: str | None = None
    ) -> AttemptResult:
        return attempt_result(attempt, outcome, self._clock.now(), reason=reason, detail=detail)


def classify_response(status: int) -> tuple[Outcome, str]:
    """What an HTTP status makes certain of a call that brought no SID, and why."""
    return BY_STATUS.get(status) or BY_CLASS.get(status // 100, (Outcome.UNKNOWN, "unreadable_answer"))


def retry_after_ms(header: str | None, now: datetime) -> int | None:
    """Milliseconds of a Retry-After header, in either of its forms (RFC 9110, 10.2.3); None where it says nothing."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return int(header) * 1000
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    left = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return max(0, int(left.total_seconds() * 1000))


def _code(error: Exception, status: int) -> int | None:
    """Twilio's code; the SDK puts the HTTP status there when the body has none."""
    code = getattr(error, "code", None)
    return code if isinstance(code, int) and code != status else None


def _words(error: Exception) -> str:
    """What Twilio said, in one line: the SDK's own text is coloured for terminals."""
    if not isinstance(error, TwilioException):
        return repr(error)
    words = getattr(error, "detail", None) or getattr(error, "msg", None) or getattr(error, "title", None)
    return str(words or error).removeprefix("Unable to create record: ")
