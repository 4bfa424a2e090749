"""``smsflow up``: the whole system on this machine, until Ctrl-C."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import click
from rich.console import Console

from processors.local.data_dir import DataDirInUse
from processors.local.machine import Machine
from processors.local.supervisor import StartError, Supervisor
from processors.wiring.factories import command_settings

LOOK_EVERY_S = 0.25


@click.command("up")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where everything is kept; SMSFLOW_DATA_DIR.")
@click.pass_context
def command(context: click.Context, data_dir: Path | None) -> None:
    """Run the whole system on this machine: Kafka, ClickHouse, the Twilio simulator, ingester, sink and both workers.

    Nothing need be installed. What the settings name (a broker, a ClickHouse, a Twilio account) is used in place of
    the embedded one. The data directory continues where it was left.
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
    heed_signals()
    try:
        machine.start()
        _introduce(machine, console)
        while True:
            time.sleep(LOOK_EVERY_S)
            machine.supervisor.watch()
    except KeyboardInterrupt:
        console.print("stopping; once more Ctrl-C kills")
    finally:
        machine.stop()


def heed_signals() -> None:
    """Let SIGTERM and a closed terminal end us in the same order as Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _introduce(machine: Machine, console: Console) -> None:
    told = machine.told()
    where = {
        "Kafka": told.broker,
        "the Twilio simulator" if machine.simulated else "Twilio": told.twilio.base_url,
        "webhooks": f"http://{told.ingester.host}:{told.ingester.port}",
        "reports": told.sink_url,
    }
    console.print()
    for name, address in where.items():
        console.print(f"  {name:14} {address}")
    console.print(f"  {'data, logs':14} {machine.folder}")
    folder = "" if machine.settings.data_dir == Path(".smsflow") else f"SMSFLOW_DATA_DIR={machine.folder} "
    console.print(f'\nIn another terminal: {folder}smsflow send --to +12125550123 --body "Hello"')
    console.print("Ctrl-C stops everything.")
