"""``smsflow simulator``: the Twilio simulator, which the unmodified Twilio SDK can call."""

from __future__ import annotations

import click

from connectors.simulator.model.settings import ACCOUNT_SID, AUTH_TOKEN
from processors.wiring.command_settings import role_settings
from processors.wiring.run_server import run_server
from processors.wiring.simulator import open_simulator


@click.command(
    "simulator",
    help=f"""Run the Twilio simulator: it accepts messages, posts status callbacks, and keeps a ledger.

    Its account is {ACCOUNT_SID} with the auth token {AUTH_TOKEN}. Inbound messages are posted to
    twilio.public_url. The control API under /sim: inbound, outcomes, faults, ledger, summary.
    """,
)
@click.pass_context
def command(context: click.Context) -> None:
    """Run the Twilio simulator."""
    settings = role_settings(context, "simulator")
    run_server(settings, lambda: open_simulator(settings))
