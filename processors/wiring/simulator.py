"""Settings → the Twilio simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from connectors.simulator.model.settings import Account, DelayRange, Latencies, Service, SimulationSettings
from connectors.simulator.server import Simulator
from connectors.twilio.api.account import CallbackRetries
from connectors.twilio.urls import INBOUND_PATH
from processors.settings.model import Settings

QUICK = Latencies(
    choose=DelayRange.ms(1, 3), depart=DelayRange.ms(2, 10), receipt=DelayRange.ms(5, 40), price=DelayRange.ms(20, 60)
)


@asynccontextmanager
async def open_simulator(settings: Settings) -> AsyncIterator[str]:
    """Run the simulator on its journal in the data directory; gives its address."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with Simulator(simulation_settings(settings)) as simulator:
        yield simulator.base_url


def simulation_settings(settings: Settings) -> SimulationSettings:
    """The simulator's settings: its account has this installation's senders and posts webhooks to its ingester."""
    given = settings.simulator
    made = SimulationSettings(
        host=given.host,
        port=given.port,
        seed=given.seed,
        accounts=(_account(settings),),
        default_rate=given.rate,
        ledger_path=settings.data_dir / "simulator.jsonl",
    )
    return replace(made, latencies=QUICK) if given.quick else made


def _account(settings: Settings) -> Account:
    """The default account, with every configured sender added.

    Inbound messages are posted with the retries that docs/quickstart.md asks for: without them Twilio posts each once.
    """
    public_url = settings.twilio.public_url
    retried = f"{INBOUND_PATH}#{CallbackRetries().fragment()}"
    inbound = f"{public_url.rstrip('/')}{retried}" if public_url else None
    account = Account()
    service_sids = [sender.id for sender in settings.senders if sender.id.startswith("MG")]
    more = tuple(Service(sid=sid) for sid in service_sids if account.service(sid) is None)
    numbers = account.numbers | {sender.id for sender in settings.senders} - set(service_sids)
    services = tuple(replace(service, inbound_url=inbound) for service in (*account.services, *more))
    return replace(account, numbers=numbers, services=services, inbound_url=inbound)
