"""One run of the demo: requests at a steady rate, STOPs in the middle, the wait for the last word on every message."""

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
from processors.demo.load import STOPS, plan_load, request
from processors.demo.report import Billed, DemoReport, accepted, build_report
from processors.demo.simulator_client import SimulatorClient
from processors.demo.tally import Tally
from processors.settings.model import Settings
from processors.wiring.factories import build_cluster, build_codec
from schemas.codec import Codec
from schemas.topics import BY_NAME, PUBLIC, SMS_REQUESTS, SMS_REVOCATIONS

WORDS = ("STOP", "stop", "Unsubscribe", "opt out", "STOPALL", "Stop!")
PATIENCE_S = 90.0
"""How long nothing may happen before a run is judged as it stands."""
_LOOK_S = 0.25
_BATCH_S = 0.05


@dataclass(slots=True)
class DemoRun:
    """``look`` is called all the time, with the tally: for progress and for whatever keeps the parts running."""

    settings: Settings
    name: str
    bodies: Sequence[str]
    count: int
    rate: float
    look: Callable[[Tally], None]
    tally: Tally = field(default_factory=Tally)
    _heard_at: float = 0.0

    async def run(self) -> DemoReport:
        """Send everything, wait, compare."""
        codec = build_codec(self.settings)
        started = datetime.now(UTC)
        async with aiohttp.ClientSession() as session:
            simulator = SimulatorClient(self.settings.twilio.base_url, session)
            helpers = [asyncio.create_task(self._follow(codec)), asyncio.create_task(self._look_on())]
            try:
                await self._guarded(self._send_all(codec, simulator), helpers)
                await self._guarded(self._until_calm(simulator), helpers)
                billed = await self._billed(started, simulator)
                return build_report(self.tally, accepted(await simulator.ledger()), billed)
            finally:
                for helper in helpers:
                    helper.cancel()

    async def _guarded(self, work: Coroutine[Any, Any, None], helpers: list[asyncio.Task[None]]) -> None:
        """Do the work; a helper that fails ends it."""
        task = asyncio.create_task(work)
        done, _ = await asyncio.wait([task, *helpers], return_when=asyncio.FIRST_COMPLETED)
        if task not in done:
            task.cancel()
        for ended in done:
            ended.result()

    async def _send_all(self, codec: Codec, simulator: SimulatorClient) -> None:
        """Half, then STOPs while the next ones are under way, then one more text to everybody who said STOP."""
        letters = plan_load(self.bodies, self.count)
        stops = max(1, round(self.count * STOPS))
        first, second = letters[: self.count // 2], letters[self.count // 2 : self.count - stops - 1]
        publisher = KafkaPublisher(build_cluster(self.settings))
        await self._send(codec, publisher, first)
        stopped, _ = await asyncio.gather(self._stop(simulator, stops), self._send(codec, publisher, second))
        again = [(person, body) for (person, _), (_, body) in zip(cycle(stopped), letters[-stops - 1 :], strict=False)]
        await self._send(codec, publisher, again[:-1])
        await self._start_again(simulator, stopped[0])
        await self._send(codec, publisher, [(stopped[0][0], again[-1][1])])

    async def _send(self, codec: Codec, publisher: KafkaPublisher, letters: Sequence[tuple[str, str]]) -> None:
        """Publish these at the run's rate."""
        began, done = time.monotonic(), 0
        while done < len(letters):
            due = min(len(letters), int((time.monotonic() - began) * self.rate) + 1)
            wires = []
            for to, body in letters[done:due]:
                made = request(self.name, len(self.tally.requested), to, body, datetime.now(UTC))
                self.tally.requested[made.message_id] = made.requested_at
                wires.append(codec.wire(SMS_REQUESTS, to, made))
            await publisher.publish(wires)
            done = due
            await asyncio.sleep(_BATCH_S)

    async def _stop(self, simulator: SimulatorClient, count: int) -> list[tuple[str, str]]:
        """Some of those who were texted say STOP; returns them and our numbers when that is on record."""
        texted = await self._texted(simulator)
        step = max(1, len(texted) // count)
        stopping = list(texted.items())[::step][:count]
        for (person, to), word in zip(stopping, cycle(WORDS), strict=False):
            await simulator.send_inbound(person, to, word)
        await self._on_record([person for person, _ in stopping], revoked=True)
        return stopping

    async def _texted(self, simulator: SimulatorClient) -> dict[str, str]:
        """Who was texted so far, and from which of our numbers."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                rows = [row for row in await simulator.ledger() if row["kind"] == "api" and row["from"]]
                if rows:
                    return {row["to"]: row["from"] for row in rows}
                await asyncio.sleep(_LOOK_S)

    async def _start_again(self, simulator: SimulatorClient, person: tuple[str, str]) -> None:
        await simulator.send_inbound(*person, "START")
        await self._on_record([person[0]], revoked=False)

    async def _on_record(self, people: Sequence[str], *, revoked: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not all(self.tally.revoked(person) is revoked for person in people):  # noqa: ASYNC110  heard elsewhere
                await asyncio.sleep(_LOOK_S / 5)

    async def _until_calm(self, simulator: SimulatorClient) -> None:
        """Until nothing is open here and nothing is due there, or nothing has happened for `PATIENCE_S`."""
        self._heard_at = time.monotonic()
        while time.monotonic() - self._heard_at < PATIENCE_S:
            if not self.tally.unfinished() and await simulator.is_settled():
                return
            await asyncio.sleep(_LOOK_S)

    async def _billed(self, since: datetime, simulator: SimulatorClient) -> Billed:
        """ClickHouse's sums, once they agree with the ledger; or as they are when nothing has happened for long."""
        while True:
            prices = [row.price for row in accepted(await simulator.ledger()) if row.price is not None]
            billed = await asyncio.to_thread(self._ask_clickhouse, since)
            done = billed is not None and billed.billed == -sum(prices, Decimal(0))
            if billed is not None and (done or time.monotonic() - self._heard_at > PATIENCE_S):
                return billed
            await asyncio.sleep(_LOOK_S)

    def _ask_clickhouse(self, since: datetime) -> Billed | None:
        """None while it does not answer, or has not heard of all requests."""
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
        """Take note of everything the public topics say."""
        names = [*(topic.name for topic in PUBLIC), SMS_REVOCATIONS.name]
        with GroupConsumer(build_cluster(self.settings), f"smsflow-{self.name}", names) as reader:
            while True:
                for read in await asyncio.to_thread(reader.poll_batch, 2000, _LOOK_S):
                    if read.value is not None:
                        self.tally.add(codec.decode(BY_NAME[read.topic].record, read.value), read.timestamp)
                    self._heard_at = time.monotonic()

    async def _look_on(self) -> None:
        while True:
            self.look(self.tally)
            await asyncio.sleep(_LOOK_S)
