"""The ``smsflow`` command: a module for each verb."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from processors.local import parent_watch

VERBS = {
    "up": "Run the whole system on this machine.",
    "demo": "Run it on real texts and prove what it promises.",
    "worker": "Run a person or a sender worker.",
    "ingest": "Run the webhook ingester.",
    "sink": "Run the ClickHouse sink.",
    "simulator": "Run the Twilio simulator.",
    "topics": "Create the topics, show how they differ, read them.",
    "migrate": "Bring ClickHouse's tables up to date.",
    "send": "Publish one send request.",
    "segments": "Count a text's segments.",
    "trace": "Show everything that happened to one message.",
    "report": "Costs and counts from ClickHouse.",
    "replay": "Send again what failed for a passing reason.",
}


class _Verbs(click.Group):
    """Imports a verb's module only when the verb is used: ``segments`` need not wait for Kafka's client."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        found = import_module(f"processors.cli.{name}").command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="smsflow")
@click.option("--config", type=click.Path(path_type=Path), help="Settings as TOML; SMSFLOW_* variables win over it.")
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """SMS over Twilio, driven by Kafka: never twice, never silent, never after STOP."""
    context.obj = config


def main(arguments: list[str] | None = None) -> Any:
    """Run the command. ``arguments`` default to those of the process."""
    parent_watch.exit_with_parent()
    return cli(arguments)
