"""``smsflow simulator``: the Twilio simulator, spoken to by the unmodified SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import click

from connectors.simulator.model.settings import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    Account,
    Latencies,
    Service,
    SimulationSettings,
    Span,
)
from connectors.simulator.server import Simulator
from connectors.twilio.api.account import CallbackRetries
from connectors.twilio.urls import INBOUND_PATH
from processors.settings.model import Settings
from processors.wiring.factories import role_settings
from processors.wiring.run_server import run_role

QUICK = Latencies(choose=Span.ms(1, 3), depart=Span.ms(2, 10), receipt=Span.ms(5, 40), price=Span.ms(20, 60))


@click.command(
    "simulator",
    help=f"""Run the Twilio simulator: it accepts messages, calls back, and keeps a ledger.

    Its account is {ACCOUNT_SID} with the auth token {AUTH_TOKEN}. What people text is posted to
    twilio.public_url. The control API under /sim: inbound, outcomes, faults, ledger, summary.
    """,
)
@click.pass_context
def command(context: click.Context) -> None:
    settings = role_settings(context, "simulator")
    run_role(settings, lambda: open_simulator(settings))


@asynccontextmanager
async def open_simulator(settings: Settings) -> AsyncIterator[str]:
    """Run the simulator on its journal in the data directory; gives its address."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with Simulator(simulator_settings(settings)) as simulator:
        yield simulator.base_url


def simulator_settings(settings: Settings) -> SimulationSettings:
    """The simulator of this installation: its senders are our senders, its webhooks come to our ingester."""
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
    """The default account, with every configured sender added to those it has.

    What people text is posted with the retries that docs/quickstart.md asks for: without them Twilio posts it once.
    """
    public_url = settings.twilio.public_url
    retried = f"{INBOUND_PATH}#{CallbackRetries().fragment()}"
    inbound = f"{public_url.rstrip('/')}{retried}" if public_url else None
    account = Account()
    services = [sender.id for sender in settings.senders if sender.id.startswith("MG")]
    more = tuple(Service(sid=sid) for sid in services if account.service(sid) is None)
    numbers = account.numbers | {sender.id for sender in settings.senders} - set(services)
    kept = tuple(replace(service, inbound_url=inbound) for service in (*account.services, *more))
    return replace(account, numbers=numbers, services=kept, inbound_url=inbound)
