"""``smsflow worker person|sender``: one worker process of a stage."""

from __future__ import annotations

import click

from processors.wiring.command_settings import role_settings
from processors.wiring.workers import run_person_worker, run_sender_worker


@click.group("worker")
def command() -> None:
    """Run one worker. Start as many as the load needs, each with its own instance id and data directory."""


@command.command("person")
@click.pass_context
def person(context: click.Context) -> None:
    """Run a worker of the person stage, which decides about every message."""
    run_person_worker(role_settings(context, "person"))


@command.command("sender")
@click.pass_context
def sender(context: click.Context) -> None:
    """Run a worker of the sender stage, which calls Twilio."""
    run_sender_worker(role_settings(context, "sender"))
