"""A simulator on a hand-set clock, the unmodified SDK in front of it, and somebody who takes its webhooks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from connectors.simulator.clock import SteppedClock
from connectors.simulator.model.settings import ACCOUNT_SID, AUTH_TOKEN, Account, OutcomeWeight, Service
from connectors.simulator.server import Simulator

ALWAYS = (OutcomeWeight("delivered", None, 1.0),)
PERSON = "+12125550101"
SENDER = "+15005550006"


@dataclass
class Received:
    """One webhook as it arrived."""

    url: str
    fields: dict[str, str]
    signature: str
    token: str


@dataclass
class Receiver:
    """Takes webhooks; answers the first `mute` never, then with `answers`, then 204."""

    url: str = ""
    mute: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    arrivals: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def take(self, request: web.Request) -> web.Response:
        form = await request.post()
        headers = request.headers
        fields = {name: str(value) for name, value in form.items()}
        self.received.append(
            Received(str(request.url), fields, headers["X-Twilio-Signature"], headers["I-Twilio-Idempotency-Token"])
        )
        self.arrivals.put_nowait(fields.get("MessageStatus", ""))
        if self.mute:
            self.mute -= 1
            await asyncio.Future()
        status, text = self.answers.pop(0) if self.answers else (204, "")
        return web.Response(status=status, text=text or None, content_type="text/xml")

    def statuses(self) -> list[str]:
        return [request.fields["MessageStatus"] for request in self.received]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    taker = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", taker.take)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    taker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield taker
    await runner.cleanup()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def sim(receiver: Receiver, clock: SteppedClock) -> AsyncIterator[Simulator]:
    """Everything is delivered; incoming texts go to the receiver."""
    async with Simulator(clock=clock, mix=ALWAYS, accounts=(account(receiver),)) as simulator:
        yield simulator


def account(receiver: Receiver, **changes: Any) -> Account:
    return Account(**{"inbound_url": f"{receiver.url}/inbound", "services": (Service(),)} | changes)


Connect = Callable[..., Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Build an unmodified SDK client for a simulator."""
    opened = []

    def build(simulator: Simulator, user: str = ACCOUNT_SID, secret: str = AUTH_TOKEN, **given: Any) -> Client:
        http = TwilioHttpClient(timeout=10)
        client = Client(user, secret, http_client=http, **given)
        client.api.base_url = simulator.base_url
        opened.append(http)
        return client

    yield build
    for http in opened:
        http.session.close()


@pytest.fixture
def client(sim: Simulator, connect: Connect) -> Client:
    return connect(sim)


async def create(client: Client, **given: Any) -> Any:
    """`messages.create` off the loop's thread; a text from a plain number unless told otherwise."""
    fields = {"to": PERSON, "body": "Hello"} | given
    if "messaging_service_sid" not in fields:
        fields.setdefault("from_", SENDER)
    return await asyncio.to_thread(lambda: client.messages.create(**fields))
