"""What a sender says of each answer, over real HTTP to a scripted peer."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import twilio.base.exceptions as sdk

from connectors.clock import ManualClock
from connectors.twilio.api.sender import TwilioSender, classify_response, retry_after_ms
from connectors.twilio.api.transport import Transport
from schemas.enums import Outcome
from schemas.records import AttemptResult
from tests.builders import NOW, dispatch, seconds
from tests.connectors.twilio.api.peer import Act, answer, hang, listening
from tests.connectors.twilio.webhooks.fixtures import account


async def send(*script: Act, transport: Transport | None = None, **changes: Any) -> AttemptResult:
    async with listening(*script) as peer:
        transport = transport or Transport(timeout=0.3)
        sender = TwilioSender(account(base_url=peer.url), transport, ManualClock(NOW))
        try:
            return await sender.send(dispatch(**changes), lambda: None)
        finally:
            await transport.close()


def error(status: str, headers: str = "", /, **body: Any) -> Act:
    return answer(status, json.dumps(body).encode(), headers)


async def test_an_accepted_message_has_a_sid_and_a_status() -> None:
    result = await send(answer())

    assert (result.outcome, result.sid, result.status) == (Outcome.ACCEPTED, f"SM{1:032}", "queued")
    assert (result.attempt_id, result.message_id, result.attempt) == ("m1/1", "m1", 1)
    assert (result.called_at, result.answered_at, result.intent_until) == (None, NOW, None)


@pytest.mark.parametrize(
    ("act", "outcome", "reason", "code"),
    [
        (error("400 Bad Request", code=21211, message="no"), Outcome.REJECTED, "refused_by_twilio", 21211),
        (error("401 Unauthorized", code=20003, message="no"), Outcome.REJECTED, "refused_by_twilio", 20003),
        (error("404 Not Found", message="no code"), Outcome.REJECTED, "refused_by_twilio", None),
        (answer("403 Forbidden", b"<html>a proxy's</html>"), Outcome.REJECTED, "refused_by_twilio", None),
        (answer("400 Bad Request", b'["a list"]'), Outcome.REJECTED, "refused_by_twilio", None),
        (error("429 Too Many Requests", code=20429, message="slow"), Outcome.NOT_SENT, "rate_limited", 20429),
        (error("408 Request Timeout"), Outcome.UNKNOWN, "timeout", None),
        (error("500 Oops", code=20500, message="may have run"), Outcome.UNKNOWN, "server_error", 20500),
        (error("503 Busy", code=20503), Outcome.UNKNOWN, "server_error", 20503),
        (answer("502 Bad Gateway", b"<html>"), Outcome.UNKNOWN, "server_error", None),
        (answer("302 Found", b"", "Location: /x\r\n"), Outcome.UNKNOWN, "redirected", None),
        (answer(body=b'{"sid": "SM'), Outcome.UNKNOWN, "unreadable_answer", None),
        (answer(body=b"\xff\xfe"), Outcome.UNKNOWN, "unreadable_answer", None),
        (answer(body=b""), Outcome.UNKNOWN, "unreadable_answer", None),
        (answer(body=b"[]"), Outcome.UNKNOWN, "unreadable_answer", None),
        (answer(body=b"null"), Outcome.UNKNOWN, "unreadable_answer", None),
        (answer(body=b'{"status": "queued"}'), Outcome.UNKNOWN, "unreadable_answer", None),
        (answer(body=b'{"sid": 7}'), Outcome.UNKNOWN, "unreadable_answer", None),
        (hang, Outcome.UNKNOWN, "timeout", None),
    ],
)
async def test_an_answer_says_no_more_than_is_certain(
    act: Act, outcome: Outcome, reason: str, code: int | None
) -> None:
    result = await send(act)

    assert (result.outcome, result.reason, result.code, result.sid) == (outcome, reason, code, None)


async def test_an_rfc_9457_error_is_understood_by_its_http_status() -> None:
    """The SDK raises another class for it, and takes the status from the body."""
    result = await send(error("400 Bad", type="about:blank", title="Bad", status=500, code=21211, detail="bad To"))

    assert (result.outcome, result.code, result.detail) == (Outcome.REJECTED, 21211, "bad To")


async def test_a_refusal_tells_in_twilios_words() -> None:
    result = await send(error("400 Bad Request", code=21211, message="Invalid 'To' Phone Number"))

    assert result.detail == "Invalid 'To' Phone Number"


async def test_how_long_to_wait_is_kept() -> None:
    result = await send(error("429 Too Many Requests", "Retry-After: 3\r\n", code=20429))

    assert result.retry_after_ms == 3000


async def test_the_environment_cannot_redirect_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """TWILIO_EDGE rewrites the host inside the SDK: a stand-in's address becomes nonsense, or worse, Twilio's."""
    monkeypatch.setitem(os.environ, "TWILIO_EDGE", "dublin")
    monkeypatch.setitem(os.environ, "TWILIO_REGION", "ie1")

    assert (await send(answer())).outcome is Outcome.ACCEPTED


class Raising(Transport):
    """A transport in which the SDK's own exceptions come up, before or after the request was written."""

    def __init__(self, raised: Exception, *, written: bool) -> None:
        super().__init__()
        self._raised = raised
        self._written = written

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        from connectors.twilio.api.transport import _CALL

        call = _CALL.get()
        assert call is not None
        call.written = self._written
        raise self._raised


SDK_ERRORS: list[Exception] = [
    sdk.TwilioException("x"),
    sdk.TwilioRestException(400, "uri"),
    sdk.TwilioServiceException("type", "title", 400, 1),
    KeyError("x"),
    RuntimeError("x"),
]


def test_every_exception_class_of_the_sdk_is_walked() -> None:
    known = {cls for cls in vars(sdk).values() if isinstance(cls, type) and issubclass(cls, Exception)}

    assert known <= {type(raised) for raised in SDK_ERRORS}


@pytest.mark.parametrize("raised", SDK_ERRORS, ids=lambda raised: type(raised).__name__)
@pytest.mark.parametrize(("written", "outcome"), [(True, Outcome.UNKNOWN), (False, Outcome.NOT_SENT)])
async def test_no_exception_of_the_sdk_crosses_the_edge(raised: Exception, written: bool, outcome: Outcome) -> None:
    result = await send(transport=Raising(raised, written=written))

    assert (result.outcome, result.reason) == (outcome, "client_error")


def test_only_a_429_says_that_the_call_may_be_made_again() -> None:
    outcomes = {status: classify_response(status)[0] for status in range(100, 1000)}

    assert [status for status, outcome in outcomes.items() if outcome is Outcome.NOT_SENT] == [429]
    assert Outcome.ACCEPTED not in outcomes.values()


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (None, None),
        ("2", 2000),
        ("soon", None),
        ("-1", None),
        ("Tue, 24 Nov 2026 18:00:05 GMT", 5000),
        ("Tue, 24 Nov 2026 17:00:00 GMT", 0),
    ],
)
def test_retry_after_is_read_in_both_its_forms(header: str | None, told: int | None) -> None:
    assert retry_after_ms(header, NOW) == told


def test_the_longest_a_call_takes_is_known() -> None:
    sender = TwilioSender(account(timeout=7.5), account(timeout=7.5).transport(), ManualClock(NOW + seconds(1)))

    assert sender.timeout == 7.5
