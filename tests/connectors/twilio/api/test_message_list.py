"""Reading the list, where it is broken or long: the rest is in tests/contracts."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.clock import ManualClock
from connectors.twilio.api.message_list import TwilioMessageList
from connectors.twilio.api.transport import Transport
from connectors.twilio.errors import MessageListUnavailable
from schemas.enums import Action, Outcome
from schemas.records import AttemptResult, ListEntry
from tests.builders import NOW, NUMBER, PERSON, dispatch, seconds
from tests.connectors.twilio.api.peer import Act, Peer, answer, close_after_request, listening
from tests.connectors.twilio.webhooks.fixtures import account

LOOK_UP = dispatch(action=Action.LOOK_UP, called_after=NOW, called_before=NOW + seconds(30))


def row(sid: str = "SM1", created: datetime = NOW, **changes: Any) -> dict[str, Any]:
    return {
        "sid": sid,
        "status": "delivered",
        "direction": "outbound-api",
        "from": NUMBER,
        "to": PERSON,
        "body": "hello",
        "messaging_service_sid": None,
        "num_segments": "2",
        "price": "-0.01500",
        "price_unit": "usd",
        "error_code": None,
        "date_created": format_datetime(created),
        **changes,
    }


def page(*rows: dict[str, Any], next_page: str | None = None) -> Act:
    return answer("200 OK", json.dumps({"messages": rows, "next_page_uri": next_page, "page": 0}).encode())


def history(peer: Peer, transport: Transport) -> TwilioMessageList:
    return TwilioMessageList(account(base_url=peer.url), transport, ManualClock(NOW + seconds(60)))


async def find(*script: Act) -> tuple[AttemptResult, list[dict[str, list[str]]]]:
    async with listening(*script) as peer:
        transport = Transport(timeout=1.0)
        try:
            found = await history(peer, transport).find(LOOK_UP)
        finally:
            await transport.close()
    return found, [parse_qs(urlsplit(request.split(b" ")[1].decode()).query) for request in peer.requests]


async def entries(*script: Act) -> list[ListEntry]:
    async with listening(*script) as peer:
        transport = Transport(timeout=1.0)
        try:
            pages = history(peer, transport).entries(NOW, NOW + seconds(30))
            return [entry async for page in pages for entry in page]
        finally:
            await transport.close()


async def test_the_persons_days_are_asked_for() -> None:
    found, queries = await find(page(row()))

    assert (found.outcome, found.sid, found.status) == (Outcome.ACCEPTED, "SM1", "delivered")
    assert queries == [{"To": [PERSON], "DateSent>": ["2026-11-23"], "DateSent<": ["2026-11-25"], "PageSize": ["1000"]}]


async def test_nothing_is_called_absent_before_the_undated_rows_were_read() -> None:
    """A row that was not handed to a carrier yet has no date_sent, and may match no day."""
    found, queries = await find(page(), page(row("SM2")))

    assert (found.outcome, found.sid) == (Outcome.ACCEPTED, "SM2")
    assert queries[1] == {"To": [PERSON], "PageSize": ["1000"]}


async def test_what_neither_list_has_is_absent() -> None:
    found, _ = await find(page(), page(row(body="another")))

    assert (found.outcome, found.reason, found.action) == (Outcome.ABSENT, "not_in_list", Action.LOOK_UP)


async def test_the_next_page_is_read_as_twilio_wrote_it() -> None:
    token = "/2010-04-01/Accounts/AC/Messages.json?To=%2B12125550100&DateSent%3E=2026-11-23&PageToken=PASM1"
    found, queries = await find(page(row(body="another"), next_page=token), page(row("SM2")))

    assert found.sid == "SM2"
    assert queries[1] == {"To": [PERSON], "DateSent>": ["2026-11-23"], "PageToken": ["PASM1"]}


async def test_a_long_list_is_read_no_further_than_the_attempt_is_old() -> None:
    old = row(created=NOW - seconds(99))
    found, queries = await find(page(), page(old, next_page="/more"), page())

    assert (found.outcome, len(queries)) == (Outcome.ABSENT, 2)


@pytest.mark.parametrize(
    "act",
    [
        answer("500 Oops", b"{}"),
        answer("200 OK", b"{"),
        answer("200 OK", b"[]"),
        answer("200 OK", b'{"messages": [7], "page": 0}'),
        answer("200 OK", b'{"a": [], "b": []}'),
        close_after_request,
    ],
    ids=["500", "cut json", "list", "odd row", "odd keys", "closed"],
)
async def test_a_list_that_cannot_be_read_leaves_the_attempt_unknown(act: Act) -> None:
    found, _ = await find(act, act)

    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "list_unavailable")
    with pytest.raises(MessageListUnavailable):
        await entries(act, act)


async def test_half_a_list_is_not_taken_for_the_whole() -> None:
    found, _ = await find(page(row(body="another"), next_page="/more"), answer("503 Busy", b""))

    assert found.outcome is Outcome.UNKNOWN


async def test_prices_are_positive_and_have_a_currency() -> None:
    waiting = row("SM2", price=None, num_segments="0")
    before, inbound = row("SM3", created=NOW - seconds(1)), row("SM4", direction="inbound")
    billed, unbilled = await entries(page(row(), waiting, before, inbound))

    assert (billed.price, billed.currency, billed.segments) == (Decimal("0.01500"), "USD", 2)
    assert (unbilled.price, unbilled.currency, unbilled.segments) == (None, None, None)


async def test_what_failed_before_it_was_sent_is_listed_with_its_fee() -> None:
    """It has no date of sending: a list asked for by day would not show it."""
    async with listening(page(row(status="failed", date_sent=None, price="-0.00100"))) as peer:
        transport = Transport(timeout=1.0)
        (entry,) = [found async for some in history(peer, transport).entries(NOW, NOW + seconds(30)) for found in some]
        await transport.close()

    assert (entry.status, entry.price) == ("failed", Decimal("0.00100"))
    assert b"DateSent" not in peer.requests[0]


async def test_the_list_is_read_no_further_than_the_window_reaches() -> None:
    old = page(row(created=NOW - seconds(99)), next_page="/more")

    assert await entries(old, page()) == []


async def test_a_price_that_is_no_number_is_not_passed_over() -> None:
    with pytest.raises(MessageListUnavailable, match="cheap"):
        await entries(page(row(price="cheap")))
