"""The ingester over HTTP: what is answered, and what is on the topics by then."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from connectors.clock import ManualClock
from connectors.memory import MemoryPublisher
from connectors.twilio.errors import SettingError
from connectors.twilio.webhooks import handlers
from connectors.twilio.webhooks.handlers import twiml
from connectors.twilio.webhooks.ingester import Ingester
from connectors.twilio.webhooks.options import IngesterOptions
from connectors.twilio.webhooks.signature import signature
from schemas.codec import Codec, EncodedRecord
from schemas.records import DeadLetter, InboundMessage, TwilioCallback
from tests.builders import NOW, NUMBER, PERSON, seconds

PUBLIC = "https://sms.example.com"
TOKEN = "t" * 32
STATUS_PATH = "/twilio/status?attempt_id=order%207/1"
STATUS = [("MessageSid", "SM1"), ("MessageStatus", "sent"), ("To", PERSON), ("From", NUMBER), ("Blank", "")]
INBOUND = [("MessageSid", "SM2"), ("From", PERSON), ("To", NUMBER), ("Body", "HELP")]
FORM = "application/x-www-form-urlencoded"


@dataclass
class Site:
    """An ingester that listens, and what stands behind it."""

    publisher: MemoryPublisher
    clock: ManualClock
    reply: str | None = None
    url: str = ""
    http: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    async def post(
        self, path: str, form: Sequence[tuple[str, str]], *, token: str = TOKEN, **headers: str
    ) -> tuple[int, str]:
        signed = {"X-Twilio-Signature": signature(token, PUBLIC + path, form), "Content-Type": FORM}
        return await self.raw(path, urlencode(form).encode(), {**signed, **headers})

    async def raw(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        from yarl import URL

        async with self.http.post(URL(self.url + path, encoded=True), data=body, headers=headers) as response:
            return response.status, await response.text()

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(self.url + path) as response:
            return response.status, await response.text()


def settings(**changes: Any) -> IngesterOptions:
    return IngesterOptions(
        **{"public_url": PUBLIC, "auth_tokens": (TOKEN,), "publish_timeout": 0.05, "max_bytes": 4096, **changes}
    )


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site(MemoryPublisher(), ManualClock(NOW))
    app = Ingester(settings(), site.publisher, Codec(), site.clock, lambda _: site.reply)
    async with app.serving("127.0.0.1", 0) as port, site.http:
        site.url = f"http://127.0.0.1:{port}"
        yield site


async def test_a_callback_is_on_its_topic_before_it_is_answered(site: Site) -> None:
    status, text = await site.post(STATUS_PATH, STATUS, **{"I-Twilio-Idempotency-Token": "once"})

    assert (status, text) == (204, "")
    (wire,) = site.publisher.on("sms-callbacks")
    assert wire.key == PERSON.encode()
    assert Codec().decode(TwilioCallback, wire.value) == TwilioCallback(
        message_sid="SM1",
        status="sent",
        person=PERSON,
        attempt_id="order 7/1",
        sender_number=NUMBER,
        idempotency_token="once",
        fields={"Blank": ""},
        received_at=NOW,
    )


async def test_an_inbound_message_is_on_its_topic_under_the_person_and_answered_in_twiml(site: Site) -> None:
    site.reply = "Reply STOP <now> & be done"
    status, text = await site.post("/twilio/inbound", INBOUND)

    assert (status, text) == (200, twiml(site.reply))
    assert "<Message>Reply STOP &lt;now&gt; &amp; be done</Message>" in text
    (wire,) = site.publisher.on("sms-inbound")
    assert wire.key == PERSON.encode()
    assert Codec().decode(InboundMessage, wire.value).body == "HELP"


async def test_no_reply_is_an_empty_response(site: Site) -> None:
    _, text = await site.post("/twilio/inbound", INBOUND)

    assert text.endswith("<Response></Response>")


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Twilio-Signature": ""}, {"X-Twilio-Signature": "made up"}, {"X-Twilio-Signature": "é"}],
    ids=["missing", "empty", "made up", "not ascii"],
)
async def test_an_unsigned_request_is_forbidden_and_published_nowhere(site: Site, headers: dict[str, str]) -> None:
    status, _ = await site.raw(STATUS_PATH, urlencode(STATUS).encode(), {"Content-Type": FORM, **headers})

    assert (status, site.publisher.records) == (403, [])


async def test_a_signature_by_another_account_is_forbidden(site: Site) -> None:
    assert (await site.post(STATUS_PATH, STATUS, token="x" * 32))[0] == 403


async def test_a_captured_signature_does_not_fit_another_attempt(site: Site) -> None:
    stolen = {"X-Twilio-Signature": signature(TOKEN, PUBLIC + STATUS_PATH, STATUS), "Content-Type": FORM}
    status, _ = await site.raw("/twilio/status?attempt_id=other/1", urlencode(STATUS).encode(), stolen)

    assert (status, site.publisher.records) == (403, [])


CUT_ELSEWHERE = [(name, value) for name, value in STATUS if name != "MessageStatus"] + [("MessageStatu", "ssent")]
"""Names and values are signed without separators: this signs like STATUS."""


async def test_a_signed_form_without_a_field_names_it_and_is_kept_whole(site: Site) -> None:
    answers = [await site.post(STATUS_PATH, CUT_ELSEWHERE) for _ in range(2)]  # as Twilio repeats it
    (wire,) = site.publisher.records
    letter = Codec().decode(DeadLetter, wire.value)

    assert answers == [(400, "field MessageStatus is missing or blank\n")] * 2
    assert (wire.topic, letter.value, letter.reason) == (
        "sms-callbacks-dlq",
        urlencode(CUT_ELSEWHERE).encode(),
        "malformed_webhook",
    )
    assert (letter.topic, letter.stage, letter.partition) == ("sms-callbacks", "ingester", -1)


async def test_what_signs_like_a_callback_does_not_pass_for_it(site: Site) -> None:
    assert (await site.post(STATUS_PATH, CUT_ELSEWHERE))[0] == 400
    assert (await site.post(STATUS_PATH, STATUS))[0] == 204
    assert [wire.topic for wire in site.publisher.records] == ["sms-callbacks-dlq", "sms-callbacks"]


async def test_what_our_own_fault_makes_unreadable_is_kept_too(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(handlers, "inbound_message", lambda *_: 1 / 0)
    status, _ = await site.post("/twilio/inbound", INBOUND)
    (wire,) = site.publisher.records
    letter = Codec().decode(DeadLetter, wire.value)

    assert status == 500
    assert (wire.topic, letter.reason) == ("sms-inbound-dlq", "handler_error")
    assert "ZeroDivisionError" in letter.detail
    assert "its body goes to sms-inbound-dlq" in caplog.text


async def test_a_machine_that_answers_our_answers_is_not_answered_for_ever(site: Site) -> None:
    site.reply = "Reply STOP to opt out."
    said = [(await site.post("/twilio/inbound", [*INBOUND, ("N", str(n))]))[1] for n in range(8)]
    _, metrics = await site.get("/metrics")

    assert ["<Message>" in twiml for twiml in said] == [True] * 5 + [False] * 3
    assert len(site.publisher.records) == 8
    assert "smsflow_webhook_replies_withheld_total 3.0" in metrics
    site.clock.advance(seconds(301))
    assert "<Message>" in (await site.post("/twilio/inbound", INBOUND))[1]


async def test_another_content_type_is_refused(site: Site) -> None:
    assert (await site.post(STATUS_PATH, STATUS, **{"Content-Type": "text/plain"}))[0] == 415


@pytest.mark.parametrize("body", [b"\xff\xfe", b"&".join([b"a=1"] * 300)], ids=["not utf-8", "too many fields"])
async def test_a_body_that_is_no_form_is_malformed(site: Site, body: bytes) -> None:
    assert (await site.raw(STATUS_PATH, body, {"Content-Type": FORM}))[0] == 400


async def test_a_body_without_end_is_cut(site: Site) -> None:
    assert (await site.raw(STATUS_PATH, b"a=" + b"x" * 5000, {"Content-Type": FORM}))[0] == 413


async def test_other_paths_and_methods_are_no_webhooks(site: Site) -> None:
    assert (await site.post("/twilio/other", STATUS))[0] == 404
    assert (await site.get("/twilio/status"))[0] == 405


async def test_what_the_broker_does_not_take_is_left_with_twilio(site: Site) -> None:
    site.publisher.available = False
    assert (await site.post(STATUS_PATH, STATUS))[0] == 503

    site.publisher.available = True
    assert (await site.post(STATUS_PATH, STATUS))[0] == 204
    assert len(site.publisher.records) == 1


async def test_a_broker_that_hangs_is_not_waited_for() -> None:
    class Hanging:
        async def publish(self, _: Sequence[EncodedRecord]) -> None:
            await asyncio.Event().wait()

    app = Ingester(settings(), Hanging(), Codec(), ManualClock(NOW))
    async with app.serving("127.0.0.1", 0) as port:
        site = Site(MemoryPublisher(), ManualClock(NOW), url=f"http://127.0.0.1:{port}")
        async with site.http:
            assert (await site.post(STATUS_PATH, STATUS))[0] == 503


async def test_a_repeated_delivery_is_answered_alike_and_published_once(site: Site) -> None:
    site.reply = "help"
    twice = [await site.post("/twilio/inbound", INBOUND) for _ in range(2)]
    statuses = [(await site.post(STATUS_PATH, STATUS))[0] for _ in range(2)]

    assert (twice[0], statuses) == (twice[1], [204, 204])
    assert [wire.topic for wire in site.publisher.records] == ["sms-inbound", "sms-callbacks"]


async def test_a_callback_that_says_more_is_no_repetition(site: Site) -> None:
    await site.post(STATUS_PATH, STATUS)
    await site.post(STATUS_PATH, [*STATUS, ("ErrorCode", "30008")])

    assert len(site.publisher.records) == 2


async def test_memory_of_repetitions_is_bounded() -> None:
    publisher = MemoryPublisher()
    app = Ingester(settings(remember=1), publisher, Codec(), ManualClock(NOW))
    async with app.serving("127.0.0.1", 0) as port:
        site = Site(publisher, ManualClock(NOW), url=f"http://127.0.0.1:{port}")
        async with site.http:
            for form in (STATUS, INBOUND, STATUS):
                await site.post("/twilio/status", [*form, ("MessageStatus", "sent")])

    assert len(publisher.records) == 3


async def test_readiness_follows_the_broker_and_health_does_not(site: Site) -> None:
    assert (await site.get("/ready"))[0] == 200
    site.publisher.available = False
    await site.post(STATUS_PATH, STATUS)

    assert [(await site.get(path))[0] for path in ("/ready", "/health")] == [503, 200]
    site.clock.advance(seconds(6))
    assert (await site.get("/ready"))[0] == 200


async def test_every_answer_is_counted(site: Site) -> None:
    site.publisher.available = False
    await site.post(STATUS_PATH, STATUS)
    site.publisher.available = True
    for _ in range(2):
        await site.post(STATUS_PATH, STATUS)
    await site.post("/twilio/inbound", INBOUND, token="x")
    await site.post(STATUS_PATH, STATUS, **{"Content-Type": "text/plain"})

    lines = (await site.get("/metrics"))[1].splitlines()
    assert {line for line in lines if line.startswith("smsflow_webhook_responses_total")} == {
        'smsflow_webhook_responses_total{route="inbound",status="403"} 1.0',
        'smsflow_webhook_responses_total{route="status",status="204"} 2.0',
        'smsflow_webhook_responses_total{route="status",status="415"} 1.0',
        'smsflow_webhook_responses_total{route="status",status="503"} 1.0',
    }
    assert {"smsflow_webhook_publish_failures_total 1.0", "smsflow_webhook_repeated_total 1.0"} <= set(lines)


async def test_a_reply_that_cannot_be_decided_is_an_error_and_the_message_is_kept(site: Site) -> None:
    def broken(_: InboundMessage) -> str:
        raise RuntimeError("a bug")

    publisher = MemoryPublisher()
    async with Ingester(settings(), publisher, Codec(), site.clock, broken).serving("127.0.0.1", 0) as port:
        site.url = f"http://127.0.0.1:{port}"
        assert (await site.post("/twilio/inbound", INBOUND))[0] == 500
    assert len(publisher.records) == 1


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: settings(public_url="sms.example.com"), "public_url"),
        (lambda: settings(auth_tokens=()), "auth_tokens"),
        (lambda: settings(auth_tokens=("",)), "auth_tokens"),
    ],
)
def test_it_does_not_start_on_settings_that_cannot_work(build: Callable[[], IngesterOptions], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        Ingester(build(), MemoryPublisher(), Codec(), ManualClock(NOW))


def test_settings_do_not_show_their_secrets() -> None:
    shown = repr(settings(shared_keys={"key1": "shared secret"}))

    assert TOKEN not in shown
    assert "shared secret" not in shown


def test_the_ingester_does_not_load_the_sdk() -> None:
    """It needs nothing of it, and the SDK takes 30 MB and a quarter of a second."""
    program = "import sys, connectors.twilio.webhooks.ingester; print('twilio.rest' in sys.modules)"

    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "False\n"
    )
