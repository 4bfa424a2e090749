"""One run of the demo: requests at a steady rate, STOPs in the middle, the wait until every message is final."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from typing import Any

import aiohttp

from connectors.clickhouse.errors import ClickHouseConnectorError
from connectors.clickhouse.report_client import open_reports
from connectors.kafka.consumer import GroupConsumer
from connectors.kafka.producer import KafkaPublisher
from processors.demo.load import STOP_SHARE, plan_load, request
from processors.demo.report import Billed, DemoReport, accepted, build_report
from processors.demo.simulator_client import SimulatorClient
from processors.demo.tally import Tally
from processors.settings.model import Settings
from processors.wiring.factories import build_cluster, build_codec
from schemas.codec import Codec
from schemas.topics import BY_NAME, PUBLIC, SMS_REQUESTS, SMS_REVOCATIONS

STOP_WORDS = ("STOP", "stop", "Unsubscribe", "opt out", "STOPALL", "Stop!")
PATIENCE_S = 90.0
"""How long nothing may happen before the report is made of what there is."""
_POLL_S = 0.25
_BATCH_S = 0.05


@dataclass(slots=True)
class DemoRun:
    """One run.

    Args:
        settings: The settings of the running system.
        name: Unique among all runs: every message id starts with it.
        bodies: The texts.
        count: How many messages.
        rate: Requests per second.
        on_progress: Called several times a second with the tally; also restarts processes that ended.
        tally: What is known of the run.
    """

    settings: Settings
    name: str
    bodies: Sequence[str]
    count: int
    rate: float
    on_progress: Callable[[Tally], None]
    tally: Tally = field(default_factory=Tally)
    _last_event_at: float = 0.0

    async def run(self) -> DemoReport:
        """Send everything, wait until all is final, and compare with the ledger and with ClickHouse."""
        codec = build_codec(self.settings)
        started = datetime.now(UTC)
        async with aiohttp.ClientSession() as session:
            simulator = SimulatorClient(self.settings.twilio.base_url, session)
            helpers = [asyncio.create_task(self._follow(codec)), asyncio.create_task(self._report_progress())]
            try:
                await self._guarded(self._send_all(codec, simulator), helpers)
                await self._guarded(self._await_all_final(simulator), helpers)
                billed = await self._await_billed(started, simulator)
                return build_report(self.tally, accepted(await simulator.ledger()), billed)
            finally:
                for helper in helpers:
                    helper.cancel()

    async def _guarded(self, work: Coroutine[Any, Any, None], helpers: list[asyncio.Task[None]]) -> None:
        """Run ``work`` to its end, or until a helper fails; its exception is raised then."""
        task = asyncio.create_task(work)
        done, _ = await asyncio.wait([task, *helpers], return_when=asyncio.FIRST_COMPLETED)
        if task not in done:
            task.cancel()
        for ended in done:
            ended.result()

    async def _send_all(self, codec: Codec, simulator: SimulatorClient) -> None:
        """Send the first half, then STOPs while the second half is sent, then one more text to all who said STOP."""
        texts = plan_load(self.bodies, self.count)
        stops = max(1, round(self.count * STOP_SHARE))
        first, second = texts[: self.count // 2], texts[self.count // 2 : self.count - stops - 1]
        publisher = KafkaPublisher(build_cluster(self.settings))
        await self._send(codec, publisher, first)
        stopped, _ = await asyncio.gather(self._stop(simulator, stops), self._send(codec, publisher, second))
        again = [(person, body) for (person, _), (_, body) in zip(cycle(stopped), texts[-stops - 1 :], strict=False)]
        await self._send(codec, publisher, again[:-1])
        await self._start_again(simulator, stopped[0])
        await self._send(codec, publisher, [(stopped[0][0], again[-1][1])])

    async def _send(self, codec: Codec, publisher: KafkaPublisher, texts: Sequence[tuple[str, str]]) -> None:
        """Publish requests for these (person, text) at the run's rate."""
        began, done = time.monotonic(), 0
        while done < len(texts):
            due = min(len(texts), int((time.monotonic() - began) * self.rate) + 1)
            records = []
            for to, body in texts[done:due]:
                made = request(self.name, len(self.tally.requested), to, body, datetime.now(UTC))
                self.tally.requested[made.message_id] = made.requested_at
                records.append(codec.wire(SMS_REQUESTS, to, made))
            await publisher.publish(records)
            done = due
            await asyncio.sleep(_BATCH_S)

    async def _stop(self, simulator: SimulatorClient, count: int) -> list[tuple[str, str]]:
        """Let some of those who were texted say STOP.

        Returns:
            (person, the number that texted the person) of each, once their revocations are published.
        """
        texted = await self._texted(simulator)
        step = max(1, len(texted) // count)
        stopping = list(texted.items())[::step][:count]
        for (person, to), word in zip(stopping, cycle(STOP_WORDS), strict=False):
            await simulator.send_inbound(person, to, word)
        await self._await_consent([person for person, _ in stopping], revoked=True)
        return stopping

    async def _texted(self, simulator: SimulatorClient) -> dict[str, str]:
        """Each person texted so far → the number that texted the person; waits for the first."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                rows = [row for row in await simulator.ledger() if row["kind"] == "api" and row["from"]]
                if rows:
                    return {row["to"]: row["from"] for row in rows}
                await asyncio.sleep(_POLL_S)

    async def _start_again(self, simulator: SimulatorClient, person: tuple[str, str]) -> None:
        await simulator.send_inbound(*person, "START")
        await self._await_consent([person[0]], revoked=False)

    async def _await_consent(self, people: Sequence[str], *, revoked: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not all(self.tally.revoked(person) is revoked for person in people):  # noqa: ASYNC110  _follow sets it
                await asyncio.sleep(_POLL_S / 5)

    async def _await_all_final(self, simulator: SimulatorClient) -> None:
        """Wait until nothing is open here nor in the simulator, or until nothing has happened for ``PATIENCE_S``."""
        self._last_event_at = time.monotonic()
        while time.monotonic() - self._last_event_at < PATIENCE_S:
            if not self.tally.unfinished() and await simulator.is_settled():
                return
            await asyncio.sleep(_POLL_S)

    async def _await_billed(self, since: datetime, simulator: SimulatorClient) -> Billed:
        """ClickHouse's sums once they agree with the ledger, or as they are after ``PATIENCE_S`` without an event."""
        while True:
            prices = [row.price for row in accepted(await simulator.ledger()) if row.price is not None]
            billed = await asyncio.to_thread(self._query_clickhouse, since)
            done = billed is not None and billed.billed == -sum(prices, Decimal(0))
            if billed is not None and (done or time.monotonic() - self._last_event_at > PATIENCE_S):
                return billed
            await asyncio.sleep(_POLL_S)

    def _query_clickhouse(self, since: datetime) -> Billed | None:
        """ClickHouse's sums, or None while ClickHouse does not answer."""
        try:
            with open_reports(self.settings.clickhouse_url, self.settings.sink.url or "") as reports:
                summary, costs = reports.summary(since), reports.cost("campaign", since).dicts()
        except ClickHouseConnectorError:
            return None
        currency = next(iter(summary.estimated), "USD")
        rows = [
            (row["campaign"], row["messages"], row["segments"], row["estimated"], row["billed"])
            for row in costs
            if row["currency"] == currency
        ]
        nothing = Decimal(0)
        return Billed(summary.estimated.get(currency, nothing), summary.billed.get(currency, nothing), currency, rows)

    async def _follow(self, codec: Codec) -> None:
        """Add every record of the public topics to the tally."""
        names = [*(topic.name for topic in PUBLIC), SMS_REVOCATIONS.name]
        with GroupConsumer(build_cluster(self.settings), f"smsflow-{self.name}", names) as consumer:
            while True:
                for consumed in await asyncio.to_thread(consumer.poll_batch, 2000, _POLL_S):
                    if consumed.value is not None:
                        self.tally.add(codec.decode(BY_NAME[consumed.topic].record, consumed.value), consumed.timestamp)
                    self._last_event_at = time.monotonic()

    async def _report_progress(self) -> None:
        while True:
            self.on_progress(self.tally)
            await asyncio.sleep(_POLL_S)
