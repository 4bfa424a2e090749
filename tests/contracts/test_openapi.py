"""Client and simulator by Twilio's own description, checker by a third party's validator.

The contract tests beside this one run our client against our simulator: a mistake that both share would pass them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import aiohttp
import orjson
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from yarl import URL

from connectors.clock import ManualClock
from connectors.simulator.clock import SteppedClock as SimulatorClock
from connectors.simulator.http.responses import ApiResponses
from connectors.simulator.model.api_errors import ERROR_MESSAGES, ApiError
from connectors.simulator.model.faults import Fault
from connectors.simulator.model.settings import SERVICE_SID, Account, CallbackFaults, Campaign, Service
from connectors.simulator.server import Simulator
from connectors.twilio.api.account import TwilioAccount
from connectors.twilio.api.message_list import TwilioMessageList
from connectors.twilio.api.sender import TwilioSender
from schemas.enums import Action, Outcome
from schemas.records import Dispatch
from tests.builders import NOW, NUMBER, PERSON, dispatch, seconds
from tests.contracts.openapi import FORM, Exchange, OpenApiChecker, completed, described, openapi_checker, published
from tests.contracts.recorder import Recorder, recording

TEMPLATE = "HX" + "a" * 32
PUBLIC = "https://sms.example.com"
UNHEARD = CallbackFaults(lost=1.0)

# Whatever a dispatch can ask for, in every field.
DISPATCHES: dict[str, dict[str, Any]] = {
    "number": {},
    "short code": {"sender": "55555"},
    "toll-free": {"sender": "+18335550100"},
    "service": {"sender": SERVICE_SID},
    "abroad": {"person": "+447700900123", "body": "Grüße, 你好 & co 👋"},
    "odd id": {"attempt_id": "order 7 + tax/1"},
    "template": {"body": None, "content_sid": TEMPLATE, "content_variables": {"1": "Zoë"}},
    "plain template": {"body": None, "content_sid": TEMPLATE},
    "media": {"body": None, "media_urls": ["https://a.example/1.png"]},
    "several media": {"media_urls": ["https://a.example/1.png", "https://a.example/2.png"]},
    "short links": {"sender": SERVICE_SID, "shorten_urls": True},
    "smart encoding": {"smart_encoding": True, "body": "“quoted”"},
    "validity": {"validity_s": 60},
    "nearly too late": {"deadline": NOW + seconds(1)},
    "long": {"body": "x" * 1600},
}


@dataclass
class Harness:
    """The simulator, what passes before it, and the clients of both kinds."""

    simulator: Simulator
    recorder: Recorder
    sender: TwilioSender
    history: TwilioMessageList
    sdk: Client
    clock: ManualClock

    async def by_sdk(self, call: Any) -> Any:
        """What the unmodified SDK makes of a call, off the loop's thread."""
        return await asyncio.to_thread(call, self.sdk.messages)

    def last(self) -> Exchange:
        return self.recorder.exchanges[-1]


@pytest.fixture
def checker() -> OpenApiChecker:
    return openapi_checker()


@pytest.fixture
async def harness(checker: OpenApiChecker) -> AsyncIterator[Harness]:
    """Whatever passed in a test, and was not sent wrongly on purpose, is checker when the test is over."""
    clock, campaign = ManualClock(NOW), Campaign(rate=12.0)
    accounts = (Account(services=(Service(campaign=campaign, advanced_opt_out=True),)),)
    async with (
        Simulator(clock=SimulatorClock(NOW), accounts=accounts, callback_faults=UNHEARD) as simulator,
        recording(simulator.base_url) as recorder,
    ):
        account = TwilioAccount(
            account_sid=simulator.account.sid,
            user=simulator.account.sid,
            secret=simulator.account.auth_token,
            base_url=recorder.base_url,
            public_url=PUBLIC,
        )
        transport, http = account.transport(), TwilioHttpClient(timeout=10)
        sdk = Client(simulator.account.sid, simulator.account.auth_token, http_client=http)
        sdk.api.base_url = recorder.base_url
        sender = TwilioSender(account, transport, clock)
        history = TwilioMessageList(account, transport, clock, page_size=2)
        yield Harness(simulator, recorder, sender, history, sdk, clock)
        await transport.close()
        http.session.close()
    assert recorder.exchanges
    assert [fault for each in recorder.exchanges for fault in checker.response(each)] == []


def requests_are_right(harness: Harness, checker: OpenApiChecker) -> None:
    assert [fault for each in harness.recorder.exchanges for fault in checker.request(each)] == []


# --- what our client sends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", DISPATCHES.values(), ids=list(DISPATCHES))
async def test_every_create_call_of_ours_is_as_described(
    harness: Harness, checker: OpenApiChecker, changes: dict[str, Any]
) -> None:
    answer = await harness.sender.send(dispatch(**changes), lambda: None)

    assert answer.outcome is Outcome.ACCEPTED
    assert (harness.last().method, harness.last().status) == ("POST", 201)
    requests_are_right(harness, checker)


def look_up(**changes: Any) -> Dispatch:
    window = {"called_after": NOW, "called_before": NOW + seconds(30)}
    return dispatch(**{"action": Action.LOOK_UP, **window, **changes})


async def test_every_list_call_of_ours_is_as_described(harness: Harness, checker: OpenApiChecker) -> None:
    """With and without days, and on every following page."""
    for number in range(5):
        await harness.sender.send(dispatch(body=f"n{number}"), lambda: None)
    await harness.simulator.settle()
    harness.clock.advance(timedelta(minutes=5))

    assert (await harness.history.find(look_up(body="n1"))).outcome is Outcome.ACCEPTED
    assert (await harness.history.find(look_up(body="unknown"))).outcome is Outcome.ABSENT
    entries = [entry async for page in harness.history.entries(NOW, NOW + timedelta(hours=1)) for entry in page]

    assert len(entries) == 5
    queries = [each.query for each in harness.recorder.exchanges if each.method == "GET"]
    assert any("DateSent" in query for query in queries)
    assert any("PageToken" in query for query in queries)
    requests_are_right(harness, checker)


# --- what the simulator answers ---------------------------------------------------------------------------------------

ENDS = (("delivered", None), ("undelivered", 30003), ("failed", 30007), ("sent", None), ("undelivered", 99999))


@pytest.mark.parametrize("sender", [NUMBER, SERVICE_SID], ids=["number", "service"])
@pytest.mark.parametrize(("status", "code"), ENDS)
async def test_a_message_is_shown_as_described_at_every_step(
    harness: Harness, checker: OpenApiChecker, sender: str, status: str, code: int | None
) -> None:
    """From its first status until it is priced."""
    harness.simulator.twilio.lifecycle.script(PERSON, status, code, 1)
    sid = (await harness.sender.send(dispatch(sender=sender), lambda: None)).sid
    seen = []
    while (due := harness.simulator.twilio.next_due()) is not None:
        await harness.simulator.advance(due - harness.simulator.clock.now())
        shown = await harness.by_sdk(lambda messages: messages(sid).fetch())
        seen.append((shown.status, shown.price is not None))

    assert seen[-1] == (status, True)
    assert "queued" in [each for each, _ in seen] or sender == NUMBER
    requests_are_right(harness, checker)


async def test_a_schedule_a_cancellation_a_redaction_and_a_deletion_are_as_described(
    harness: Harness, checker: OpenApiChecker
) -> None:
    given = {"to": PERSON, "body": "later", "messaging_service_sid": SERVICE_SID}
    when = NOW + timedelta(minutes=10)
    made = await harness.by_sdk(lambda messages: messages.create(**given, schedule_type="fixed", send_at=when))
    assert (await harness.by_sdk(lambda messages: messages(made.sid).fetch())).status == "scheduled"
    assert (await harness.by_sdk(lambda messages: messages(made.sid).update(status="canceled"))).status == "canceled"
    assert (await harness.by_sdk(lambda messages: messages(made.sid).update(body=""))).body == ""
    assert await harness.by_sdk(lambda messages: messages(made.sid).delete())
    assert (harness.last().status, harness.last().response_body) == (204, b"")
    requests_are_right(harness, checker)


async def test_texts_of_people_and_answers_to_them_are_listed_as_described(
    harness: Harness, checker: OpenApiChecker
) -> None:
    """And 21610 after it, in both its faces."""
    pool = harness.simulator.account.services[0].numbers[0]
    harness.simulator.twilio.receive(PERSON, pool, "STOP", NOW)
    await harness.simulator.settle()
    await harness.by_sdk(lambda messages: messages.create(to=PERSON, body="x", messaging_service_sid=SERVICE_SID))
    await harness.simulator.settle()
    with pytest.raises(TwilioRestException) as caught:
        await harness.by_sdk(lambda messages: messages.create(to=PERSON, body="x", from_=pool))
    listed = await harness.by_sdk(lambda messages: messages.list(page_size=1))

    assert caught.value.code == 21610
    assert [(each.direction, each.error_code) for each in listed] == [
        ("outbound-api", 21610),
        ("outbound-reply", None),
        ("inbound", None),
    ]
    requests_are_right(harness, checker)


async def test_lists_are_as_described_whatever_is_asked_for(harness: Harness, checker: OpenApiChecker) -> None:
    wishes: tuple[dict[str, Any], ...] = (
        {},
        {"to": PERSON, "from_": NUMBER},
        {"date_sent": date(2026, 11, 24)},
        {"date_sent_before": date(2026, 11, 25), "date_sent_after": date(2026, 11, 23)},
        {"to": "+12125550199"},
    )
    for number in range(3):
        await harness.by_sdk(lambda messages, n=number: messages.create(to=PERSON, body=f"n{n}", from_=NUMBER))
    await harness.simulator.settle()
    sizes = [len(await harness.by_sdk(lambda messages, w=wish: messages.list(**w, page_size=2))) for wish in wishes]

    assert sizes == [3, 3, 3, 3, 0]
    requests_are_right(harness, checker)


async def test_the_published_lists_of_nothing_are_answered_word_for_word(checker: OpenApiChecker) -> None:
    """Every form of DateSent in Twilio's examples, and the paging of an empty list."""
    examples = [body for _, _, _, body in published(described()) if body.get("messages") == []]
    account = Account(sid=examples[0]["uri"].split("/")[3])
    headers = {"Authorization": aiohttp.encode_basic_auth(account.sid, account.auth_token)}
    answers = []
    async with Simulator(accounts=(account,)) as simulator, aiohttp.ClientSession(headers=headers) as session:
        for example in examples:
            async with session.get(URL(simulator.base_url + example["uri"], encoded=True)) as response:
                answers.append(orjson.loads(await response.read()))

    assert len(answers) == 6
    assert answers == examples


# Requests that must fail, and how: method, path behind the account's, form, query.
WRONG: tuple[tuple[int, int, str, str, dict[str, str]], ...] = (
    (400, 21604, "POST", "Messages.json", {}),
    (400, 21211, "POST", "Messages.json", {"To": "nobody", "From": NUMBER, "Body": "x"}),
    (400, 21265, "POST", "Messages.json", {"To": "55555", "From": NUMBER, "Body": "x"}),
    (400, 21603, "POST", "Messages.json", {"To": PERSON, "Body": "x"}),
    (400, 21659, "POST", "Messages.json", {"To": PERSON, "From": "+12125550198", "Body": "x"}),
    (400, 21701, "POST", "Messages.json", {"To": PERSON, "MessagingServiceSid": "MG" + "f" * 32, "Body": "x"}),
    (400, 21602, "POST", "Messages.json", {"To": PERSON, "From": NUMBER}),
    (400, 21617, "POST", "Messages.json", {"To": PERSON, "From": NUMBER, "Body": "x" * 1601}),
    (400, 21609, "POST", "Messages.json", {"To": PERSON, "From": NUMBER, "Body": "x", "StatusCallback": "nowhere"}),
    (400, 21624, "POST", "Messages.json", {"To": PERSON, "From": NUMBER, "Body": "x", "ValidityPeriod": "0"}),
    (400, 35118, "POST", "Messages.json", {"To": PERSON, "From": NUMBER, "Body": "x", "ScheduleType": "fixed"}),
    (400, 20001, "GET", "Messages.json?PageSize=many", {}),
    (404, 20404, "GET", "Messages/SM" + "0" * 32 + ".json", {}),
    (404, 20404, "POST", "Messages/SM" + "0" * 32 + ".json", {"Body": ""}),
    (404, 20404, "DELETE", "Messages/SM" + "0" * 32 + ".json", {}),
)


@pytest.mark.parametrize(("status", "code", "method", "path", "form"), WRONG, ids=lambda each: str(each)[:40])
async def test_every_refusal_has_twilios_shape(
    harness: Harness, status: int, code: int, method: str, path: str, form: dict[str, str]
) -> None:
    account = harness.simulator.account
    headers = {"Authorization": aiohttp.encode_basic_auth(account.sid, account.auth_token)}
    url = f"{harness.recorder.base_url}/2010-04-01/Accounts/{account.sid}/{path}"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, url, data=form or None) as response,
    ):
        said = orjson.loads(await response.read())

    assert (response.status, said["code"], said["status"]) == (status, code, status)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("429", 429, 20429), ("accept_then_500", 500, 20500), ("accept_then_503", 503, 20503)],
)
async def test_troubles_have_twilios_shape(harness: Harness, fault: str, status: int, code: int) -> None:
    harness.simulator.faults.arm(Fault(name=fault))
    with pytest.raises(TwilioRestException) as caught:
        await harness.by_sdk(lambda messages: messages.create(to=PERSON, body="x", from_=NUMBER))
    assert (caught.value.status, caught.value.code) == (status, code)


async def test_strange_credentials_are_refused_in_twilios_shape(harness: Harness) -> None:
    stranger = Client(harness.simulator.account.sid, "wrong", http_client=harness.sdk.http_client)
    stranger.api.base_url = harness.recorder.base_url
    with pytest.raises(TwilioRestException) as caught:
        await asyncio.to_thread(lambda: stranger.messages.create(to=PERSON, body="x", from_=NUMBER))
    assert (caught.value.status, caught.value.code) == (401, 20003)


@pytest.mark.parametrize("code", ERROR_MESSAGES)
def test_every_code_the_simulator_knows_is_said_in_twilios_shape(
    simulator_settings: Any, checker: OpenApiChecker, code: int
) -> None:
    response = ApiResponses(simulator_settings, {}).error(ApiError(code, "it"))
    assert isinstance(response.body, bytes)
    assert checker.response(_exchange("post", "Messages.json", response.status, response.body)) == []


@pytest.fixture
def simulator_settings() -> Any:
    return Simulator().settings


# --- the check itself -------------------------------------------------------------------------------------------------


def _exchange(method: str, path: str, status: int, answer: bytes, **changes: Any) -> Exchange:
    account = Account().sid
    headers = {"Content-Type": FORM, "Authorization": aiohttp.encode_basic_auth(account, "token")}
    path = f"/2010-04-01/Accounts/{account}/{path}"
    return replace(Exchange(method, path, "", headers, b"", status, answer, "application/json"), **changes)


def _published() -> Iterator[Exchange]:
    for path, method, status, body in published(described()):
        target = "Messages.json" if path.endswith("Messages.json") else "Messages/SM" + "a" * 32 + ".json"
        yield _exchange(method, target, status, orjson.dumps(body))


def test_twilios_own_examples_pass() -> None:
    """So the check asks for nothing that Twilio itself does not keep."""
    examples, by = list(_published()), OpenApiChecker(completed(described()))
    assert len(examples) > 10
    assert [fault for example in examples for fault in by.response(example)] == []


CREATE: dict[str, str] = {"To": "%2B12125550100", "From": "%2B15005550006", "Body": "x"}


@pytest.mark.parametrize(
    "changes",
    [
        {"To": None},
        {"ValidityPeriod": "soon"},
        {"ScheduleType": "later"},
        {"SmartEncoded": "False "},
        {"MessagingServiceSid": "MG1"},
        {"ContentSid": "SM" + "1" * 32},
        {"IdempotencyKey": "1"},
        {"From": "no!"},
    ],
    ids=lambda changes: str(*changes),
)
def test_a_wrong_request_is_found(checker: OpenApiChecker, changes: dict[str, str | None]) -> None:
    def asked(form: dict[str, str | None]) -> Exchange:
        body = "&".join(f"{name}={value}" for name, value in form.items() if value is not None)
        return _exchange("post", "Messages.json", 201, b"{}", body=body.encode())

    assert checker.request(asked({**CREATE})) == []
    assert checker.request(asked({**CREATE, **changes})) != []


@pytest.mark.parametrize("query", ["PageSize=5000", "Status=sent", "DateSent%3E=yesterday", "Page=-1"])
def test_a_wrong_query_is_found(checker: OpenApiChecker, query: str) -> None:
    assert checker.request(_exchange("get", "Messages.json", 200, b"{}", query="PageSize=1000")) == []
    assert checker.request(_exchange("get", "Messages.json", 200, b"{}", query=query)) != []


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "lost"},
        {"direction": "outbound"},
        {"sid": "SM1"},
        {"num_segments": 1},
        {"price": -0.0075},
        {"error_code": "30003"},
        {"date_created": "2026-11-24T18:00:00Z"},
        {"price_unit": "dollars"},
        {"carrier": "att"},
        {"uri": ...},
    ],
    ids=lambda changes: str(*changes),
)
def test_a_wrong_answer_is_found(checker: OpenApiChecker, changes: dict[str, Any]) -> None:
    example = next(body for _, method, status, body in published(described()) if (method, status) == ("post", 201))
    wrong = {name: value for name, value in {**example, **changes}.items() if value is not ...}
    assert checker.response(_exchange("post", "Messages.json", 201, orjson.dumps(example))) == []
    assert checker.response(_exchange("post", "Messages.json", 201, orjson.dumps(wrong))) != []


def test_an_answer_of_another_status_or_shape_is_found(checker: OpenApiChecker) -> None:
    refusal = ApiError(21211, "nobody").body()
    assert checker.response(_exchange("post", "Messages.json", 400, orjson.dumps(refusal))) == []
    assert checker.response(_exchange("post", "Messages.json", 400, orjson.dumps(refusal | {"code": "21211"}))) != []
    assert checker.response(_exchange("post", "Messages.json", 200, orjson.dumps(refusal))) != []
