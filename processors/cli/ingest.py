"""``smsflow ingest``: the webhook ingester."""

from __future__ import annotations

import click

from processors.wiring.command_settings import role_settings
from processors.wiring.ingester import open_ingester
from processors.wiring.run_server import run_server


@click.command("ingest")
@click.pass_context
def command(context: click.Context) -> None:
    """Run the webhook ingester: it publishes Twilio's signed status callbacks and inbound messages to their topics.

    Needs twilio.auth_tokens, and twilio.public_url: the address that Twilio signs.
    """
    settings = role_settings(context, "ingester")
    run_server(settings, lambda: open_ingester(settings))
