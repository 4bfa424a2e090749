"""The named reports, from ClickHouse and through the sink's server: the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from connectors.clickhouse.client import ClickHouse
from connectors.clickhouse.engine import OneThread
from connectors.clickhouse.errors import QueryRefused, Unavailable, UnknownReport
from connectors.clickhouse.report_client import ReportClient, open_reports
from connectors.clickhouse.reports import GROUPINGS, ClickHouseReports, Latency, Reports, Summary
from connectors.clickhouse.rows import Event
from connectors.clickhouse.server import ReportServer
from connectors.clickhouse.sink import SinkState
from tests.connectors.clickhouse.fixtures import LONG_AGO, NOW, after, failed, price, sent, status, store

pytestmark = pytest.mark.clickhouse
T = TypeVar("T")
STORY = (
    sent("a"), status("sent", "a"), status("delivered", "a"), price("0.0150", "a"),
    sent("b", campaign="fall", called_at=after(2), country="GB", sender="MG2", tenant="zeta"),
    sent("c"), status("undelivered", "c", error_code=30003), failed("unreachable", "c", attempt=1), price("0.01", "c",
                                                                                                     currency="EUR"),
    failed("opted_out", "d", suppressed=True), failed("expired", "e"), failed("expired", "f"),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One way to ask; calls run beside the event loop, as a command would in its own process."""

    reports: Reports
    state: SinkState

    async def __call__(self, call: Callable[[Reports], T]) -> T:
        return await asyncio.to_thread(call, self.reports)


@pytest.fixture(params=["clickhouse", "server"])
async def ask(request: pytest.FixtureRequest, clickhouse: ClickHouse) -> AsyncIterator[Asked]:
    source, state = ClickHouseReports(clickhouse), SinkState()
    if request.param == "clickhouse":
        yield Asked(source, state)
        return
    engine = OneThread("test-engine")
    server = ReportServer(source, engine, state)
    port = await server.start(0)
    yield Asked(ReportClient(f"http://127.0.0.1:{port}"), state)
    await server.close()
    engine.close()


async def test_cost_by_campaign_keeps_currencies_apart(ask: Asked, clickhouse: ClickHouse) -> None:
    store(clickhouse, STORY)
    report = await ask(lambda reports: reports.cost("campaign", LONG_AGO))
    assert report.columns == ("campaign", "currency", "messages", "unpriced", "segments", "estimated", "billed")
    assert report.rows == (
        ("fall", "USD", 1, 1, 2, Decimal("0.0158"), Decimal(0)),
        ("spring", "EUR", 1, 0, 0, Decimal(0), Decimal("0.01")),
        ("spring", "USD", 2, 1, 4, Decimal("0.0316"), Decimal("0.015")),
    )


@pytest.mark.parametrize("by", GROUPINGS)
async def test_every_grouping_adds_up_to_the_same(ask: Asked, clickhouse: ClickHouse, by: Any) -> None:
    store(clickhouse, STORY)
    found = (await ask(lambda reports: reports.cost(by, LONG_AGO))).dicts()
    assert sum(row["estimated"] for row in found) == Decimal("0.0474")
    assert sum(row["billed"] for row in found) == Decimal("0.025")
    if by == "day":
        assert {row["day"] for row in found} == {date(2026, 5, 1)}


async def test_since_is_the_moment_of_sending_in_any_zone(ask: Asked, clickhouse: ClickHouse) -> None:
    store(clickhouse, [sent("old", occurred_at=after(-0.001)), sent("new", occurred_at=NOW)])
    since = NOW.astimezone(timezone(timedelta(hours=-7)))
    (only,) = (await ask(lambda reports: reports.cost("tenant", since))).dicts()
    assert only["messages"] == 1


async def test_a_time_without_a_zone_is_a_bug(ask: Asked) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        await ask(lambda reports: reports.summary(datetime(2026, 5, 1)))


async def test_another_grouping_names_the_known_ones(ask: Asked) -> None:
    unknown: Any = "person; DROP TABLE facts"
    with pytest.raises(UnknownReport, match="tenant, campaign, country, sender, day"):
        await ask(lambda reports: reports.cost(unknown, LONG_AGO))


async def test_the_summary_counts_each_message_once(ask: Asked, clickhouse: ClickHouse) -> None:
    store(clickhouse, [*STORY, *STORY])
    assert await ask(lambda reports: reports.summary(LONG_AGO)) == Summary(
        requested=6,
        sent=3,
        delivered=1,
        open=1,
        failed={"unreachable": 1, "expired": 2},
        suppressed={"opted_out": 1},
        segments=6,
        estimated={"EUR": Decimal(0), "USD": Decimal("0.0474")},
        billed={"EUR": Decimal("0.01"), "USD": Decimal("0.015")},
    )


async def test_nothing_known_is_an_empty_summary(ask: Asked) -> None:
    assert await ask(lambda reports: reports.summary(LONG_AGO)) == Summary()
    assert await ask(lambda reports: reports.latency(LONG_AGO)) == Latency(0, None, None)


async def test_a_message_shows_its_events_in_order(ask: Asked, clickhouse: ClickHouse) -> None:
    name = "order/2026 ü?&#"
    story: list[Event] = [
        sent(name),
        status("delivered", name, occurred_at=after(9)),
        price("0.0150", name),
        status("sent", name),
    ]
    store(clickhouse, [*story, sent("another")])
    found = (await ask(lambda reports: reports.message(name))).dicts()
    assert [(row["kind"], row["status"]) for row in found] == [
        ("sent", ""),
        ("status", "sent"),
        ("status", "delivered"),
        ("price", ""),
    ]
    assert found[0]["called_at"] == datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert found[3]["amount"] == Decimal("0.015")
    assert (await ask(lambda reports: reports.message("nobody"))).rows == ()


async def test_latency_is_from_request_to_call(ask: Asked, clickhouse: ClickHouse) -> None:
    store(clickhouse, [sent(f"m{n}", called_at=after(n / 1000)) for n in range(1, 101)])
    latency = await ask(lambda reports: reports.latency(LONG_AGO))
    assert latency == Latency(messages=100, p50_ms=51, p99_ms=100)


@pytest.fixture
async def client(clickhouse: ClickHouse) -> AsyncIterator[tuple[ReportClient, SinkState]]:
    engine, state = OneThread("test-engine"), SinkState()
    server = ReportServer(ClickHouseReports(clickhouse), engine, state)
    port = await server.start(0)
    yield ReportClient(f"http://127.0.0.1:{port}"), state
    await server.close()
    engine.close()


async def test_health_says_when_batches_do_not_go_through(client: tuple[ReportClient, SinkState]) -> None:
    asked, state = client
    state.events, state.last_insert = 7, NOW
    healthy = await asyncio.to_thread(asked.health)
    assert (healthy["ok"], healthy["events"], healthy["last_insert"]) == (True, 7, NOW.isoformat())
    state.failing_since, state.error = NOW, "away"
    failing = await asyncio.to_thread(asked.health)
    assert (failing["ok"], failing["error"]) == (False, "away")


@pytest.mark.parametrize("since", ["yesterday", "2026-05-01T00:00:00"])
async def test_a_since_nobody_can_read_is_a_clear_error(client: tuple[ReportClient, SinkState], since: str) -> None:
    with pytest.raises(UnknownReport, match=f"since={since}: expected"):
        await asyncio.to_thread(client[0]._get, "/reports/summary", since=since)


async def test_a_web_page_cannot_ask_under_a_name_of_its_own(client: tuple[ReportClient, SinkState]) -> None:
    port = client[0]._base.rpartition(":")[2]
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(b"GET /reports/summary HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 403")


async def test_a_failing_clickhouse_is_unavailable_through_the_server_too(
    client: tuple[ReportClient, SinkState], clickhouse: ClickHouse
) -> None:
    clickhouse.command("DROP VIEW messages")
    with pytest.raises(Unavailable, match="messages"):
        await asyncio.to_thread(client[0].summary, LONG_AGO)


def test_no_sink_is_unavailable_and_named() -> None:
    with pytest.raises(Unavailable, match=r"no answer from the sink at http://127\.0\.0\.1:1"):
        ReportClient("http://127.0.0.1:1").summary(LONG_AGO)


def test_what_is_no_report_server_is_refused(client: tuple[ReportClient, SinkState]) -> None:
    with pytest.raises(ValueError, match="expected http"):
        ReportClient("file:///etc/passwd")


async def test_an_unknown_path_is_refused(client: tuple[ReportClient, SinkState]) -> None:
    with pytest.raises(QueryRefused):
        await asyncio.to_thread(client[0]._get, "/reports/nothing")


def test_a_folder_is_asked_through_its_owner() -> None:
    with open_reports("chdb:///nowhere/at/all", "http://127.0.0.1:1") as found:
        assert isinstance(found, ReportClient)
