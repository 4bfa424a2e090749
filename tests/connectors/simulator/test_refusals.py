"""What the API refuses, with Twilio's codes: https://www.twilio.com/docs/api/errors"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from connectors.simulator.behaviour.create_request import CreateRequest, read_create_request
from connectors.simulator.carrier.queues import Queue, Queues
from connectors.simulator.model.api_errors import ApiError
from connectors.simulator.model.settings import SERVICE_SID, TEST_ACCOUNT_SID, Account, Service, SimulationSettings
from connectors.simulator.server import Simulator
from tests.connectors.simulator.conftest import PERSON, SENDER, Connect, create

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
OTHER = Account(sid="AC" + "9" * 32, numbers=frozenset({"+12125550199"}), services=())
EMPTY = "MG" + "e" * 32
TEMPLATE = "HX" + "a" * 32
MINE = Account(services=(Service(), Service(sid=EMPTY, numbers=())))
SETTINGS = SimulationSettings(accounts=(MINE, OTHER))


def code_of(**changes: str | None) -> int | None:
    fields = {"To": PERSON, "From": SENDER, "Body": "Hello"} | changes
    given = {name: [value] for name, value in fields.items() if value is not None}
    result = read_create_request(given, MINE, SETTINGS, NOW)
    return result.code if isinstance(result, ApiError) else None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"To": None}, 21604),
        ({"To": "2125550101"}, 21211),
        ({"To": "+1212555010"}, 21211),
        ({"To": "+447700900123"}, None),
        ({"To": "+10125550101"}, 21211),
        ({"To": "55555"}, 21265),
        ({"To": SENDER}, 21266),
        ({"From": None}, 21603),
        ({"From": "+12125550198"}, 21659),
        ({"From": "+12125550199"}, 21660),
        ({"From": "ACME"}, 21606),
        ({"From": "no!"}, 21212),
        ({"Body": None}, 21602),
        ({"Body": ""}, 21602),
        ({"Body": None, "MediaUrl": "https://example.org/a.png"}, None),
        ({"Body": "x" * 1600}, None),
        ({"Body": "x" * 1601}, 21617),
        ({"Body": None, "ContentSid": TEMPLATE}, None),
        ({"Body": None, "ContentSid": TEMPLATE, "ContentVariables": '{"1": "x"}'}, None),
        ({"Body": None, "ContentVariables": "{}"}, 21654),
        ({"Body": None, "ContentSid": "HX1"}, 21655),
        ({"Body": None, "ContentSid": TEMPLATE, "ContentVariables": "1=x"}, 21656),
        ({"Body": None, "ContentSid": TEMPLATE, "ContentVariables": "[]"}, 21656),
        ({"StatusCallback": "ftp://example.org/"}, 21609),
        ({"StatusCallback": "https://my_host.example.org/"}, 21609),
        ({"StatusCallback": "https://example.org/" + "x" * 4000}, 21609),
        ({"StatusCallback": "https://example.org:99999/"}, 21609),
        ({"StatusCallback": "http://127.0.0.1:8080/cb?attempt=m/1#rc=5"}, None),
        ({"ValidityPeriod": "0"}, 21624),
        ({"ValidityPeriod": "36001"}, 21624),
        ({"ValidityPeriod": "36000"}, None),
        ({"MessagingServiceSid": "MG" + "f" * 32, "From": None}, 21701),
        ({"MessagingServiceSid": EMPTY, "From": None}, 21704),
        ({"MessagingServiceSid": SERVICE_SID, "From": None}, None),
        ({"MessagingServiceSid": SERVICE_SID, "From": "+12025550103"}, None),
        ({"MessagingServiceSid": SERVICE_SID, "From": SENDER}, 21606),
    ],
)
def test_a_request_is_refused_by_its_first_mistake(changes: dict[str, str | None], code: int | None) -> None:
    """https://www.twilio.com/docs/api/errors, each code's own page."""
    assert code_of(**changes) == code


@pytest.mark.parametrize(("count", "code"), [(10, None), (11, 21623)])
def test_ten_media_are_the_most(count: int, code: int | None) -> None:
    """https://www.twilio.com/docs/api/errors/21623"""
    form = {"To": [PERSON], "From": [SENDER], "MediaUrl": ["https://example.org/a.png"] * count}
    result = read_create_request(form, MINE, SETTINGS, NOW)
    assert (result.code if isinstance(result, ApiError) else None) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SendAt": "2026-01-05T12:05:00Z"}, None),
        ({"SendAt": "2026-01-05T12:04:59Z"}, 35114),
        ({"SendAt": "2026-02-09T12:00:00Z"}, None),
        ({"SendAt": "2026-02-09T12:00:01Z"}, 35114),
        ({"SendAt": "tomorrow"}, 35114),
        ({"SendAt": None}, 35111),
        ({"SendAt": "2026-01-05T12:05:00Z", "ScheduleType": "later"}, 35126),
        ({"SendAt": "2026-01-05T12:05:00Z", "MessagingServiceSid": None}, 35118),
    ],
)
def test_scheduling_has_a_window_and_needs_a_service(changes: dict[str, str | None], code: int | None) -> None:
    """https://www.twilio.com/docs/api/errors/35114 and 35118; the window is 300 s to 35 days."""
    scheduled: dict[str, str | None] = {"ScheduleType": "fixed", "MessagingServiceSid": SERVICE_SID}
    fields = scheduled | changes
    if fields["MessagingServiceSid"]:
        fields["From"] = None
    assert code_of(**fields) == code


async def test_the_sdk_sees_twilios_error_body(client: Client) -> None:
    """https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions"""
    with pytest.raises(TwilioRestException) as caught:
        await create(client, to="nobody")
    assert (caught.value.status, caught.value.code) == (400, 21211)
    assert "nobody" in caught.value.msg


MAGIC: list[tuple[dict[str, Any], int]] = [
    ({"from_": "+15005550001"}, 21212),
    ({"from_": "+15005550007"}, 21606),
    ({"from_": "+15005550008"}, 21611),
    ({"from_": "+12125550177"}, 21606),
    ({"to": "+15005550001"}, 21211),
    ({"to": "+15005550002"}, 21612),
    ({"to": "+15005550003"}, 21408),
    ({"to": "+15005550004"}, 21610),
    ({"to": "+15005550009"}, 21614),
]


@pytest.mark.parametrize(("given", "code"), MAGIC)
async def test_magic_numbers_answer_as_documented(connect: Connect, given: dict[str, Any], code: int) -> None:
    """https://www.twilio.com/docs/iam/test-credentials"""
    async with Simulator() as sim:
        with pytest.raises(TwilioRestException) as caught:
            await create(connect(sim, TEST_ACCOUNT_SID), **given)
        assert caught.value.code == code


def test_a_queue_of_ten_hours_is_full() -> None:
    """https://www.twilio.com/docs/api/errors/21611"""
    queues, slow, fast = Queues(), Queue("slow", 1.0), Queue("fast", 10.0)
    assert queues.join([slow, fast], 36000, NOW) == NOW
    assert not queues.is_full([slow], NOW)
    assert queues.join([slow, fast], 1, NOW) == NOW + timedelta(hours=10)
    assert queues.is_full([slow, fast], NOW)
    assert not queues.is_full([fast], NOW)
    assert not queues.is_full([slow], NOW + timedelta(seconds=1))


@pytest.mark.parametrize(("sender", "face"), [(SENDER, "refused"), (None, "failed")])
async def test_a_full_queue_refuses_a_number_and_fails_a_service(
    connect: Connect, sim: Simulator, sender: str | None, face: str
) -> None:
    """https://www.twilio.com/docs/api/errors/21611 at create for a number, 30001 afterwards for a service."""
    async with Simulator(clock=sim.clock, default_rate=1 / 40000) as slow:
        client = connect(slow)
        given: dict[str, Any] = {"from_": sender} if sender else {"messaging_service_sid": SERVICE_SID}
        await create(client, **given)
        await slow.advance(timedelta(seconds=1))
        if face == "refused":
            with pytest.raises(TwilioRestException) as caught:
                await create(client, **given)
            assert caught.value.code == 21611
        else:
            sid = (await create(client, **given)).sid
            await slow.advance(timedelta(seconds=1))
            assert (slow.twilio.store.messages[sid].status, slow.twilio.store.messages[sid].code) == ("failed", 30001)


def test_smart_encoding_lowers_the_segments_and_keeps_the_text() -> None:
    """https://www.twilio.com/docs/messaging/services/smart-encoding-char-list"""
    form = {"To": [PERSON], "From": [SENDER], "Body": ["“" + "x" * 100 + "”"]}
    plain = read_create_request(form, MINE, SETTINGS, NOW)
    smart = read_create_request(form | {"SmartEncoded": ["true"]}, MINE, SETTINGS, NOW)
    assert isinstance(plain, CreateRequest)
    assert isinstance(smart, CreateRequest)
    assert (plain.segments, smart.segments) == (2, 1)
    assert smart.text == plain.text
