"""``smsflow up``: the whole system on this machine, until Ctrl-C."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console

from processors.local.data_dir import DataDirInUse
from processors.local.machine import Machine
from processors.local.stop_signals import install_signal_handlers
from processors.local.supervisor import StartError, Supervisor
from processors.wiring.command_settings import command_settings

WATCH_EVERY_S = 0.25


@click.command("up")
@click.option("--data-dir", type=click.Path(path_type=Path), help="The directory of all files; SMSFLOW_DATA_DIR.")
@click.pass_context
def command(context: click.Context, data_dir: Path | None) -> None:
    """Run the whole system here: Kafka, ClickHouse, the Twilio simulator, ingester, sink and both workers.

    Nothing need be installed. What the settings name (a broker, a ClickHouse, a Twilio account) is used in place of
    the embedded one. A data directory that was used before is continued.
    """
    settings = command_settings(context)
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": data_dir})
    console = Console(highlight=False, markup=False, soft_wrap=True)
    machine = Machine(settings, Supervisor(console.print), console.print)
    try:
        _run(machine, console)
    except (StartError, DataDirInUse) as error:
        raise click.ClickException(str(error)) from error


def _run(machine: Machine, console: Console) -> None:
    install_signal_handlers()
    try:
        machine.start()
        _print_banner(machine, console)
        while True:
            time.sleep(WATCH_EVERY_S)
            machine.supervisor.watch()
    except KeyboardInterrupt:
        console.print("stopping; a second Ctrl-C stops without waiting")
    finally:
        machine.stop()


def _print_banner(machine: Machine, console: Console) -> None:
    settings = machine.effective_settings()
    addresses = {
        "Kafka": settings.broker,
        "simulator" if machine.uses_simulator else "Twilio": settings.twilio.base_url,
        "webhooks": f"http://{settings.ingester.host}:{settings.ingester.port}",
        "reports": settings.sink.url,
        "data, logs": machine.folder,
    }
    console.print()
    for name, address in addresses.items():
        console.print(f"  {name:14} {address}")
    folder = "" if machine.settings.data_dir == Path(".smsflow") else f"SMSFLOW_DATA_DIR={machine.folder} "
    console.print(f'\nIn another terminal: {folder}smsflow send --to +12125550123 --body "Hello"')
    console.print("Ctrl-C stops everything.")
