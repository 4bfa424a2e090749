"""``smsflow demo``: real texts through the whole system, and a check of every promise."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from processors.cli.tables import echo_pairs, echo_table
from processors.demo.load import sample_texts
from processors.demo.report import DemoReport
from processors.demo.run import DemoRun
from processors.demo.tally import Tally
from processors.local.data_dir import DataDirInUse
from processors.local.machine import Machine
from processors.local.stop_signals import install_signal_handlers
from processors.local.supervisor import StartError, Supervisor
from processors.settings.model import Settings
from processors.wiring.command_settings import InvalidSettings, command_settings

TUNING = {
    "SMSFLOW_SIMULATOR_QUICK": "True",
    "SMSFLOW_INTERVALS_RECONCILE_EVERY_S": "2",
    "SMSFLOW_SINK_LINGER_S": "0.5",
}
PRINT_EVERY_S = 5.0


@click.command("demo")
@click.option("-n", "--count", type=click.IntRange(10, 100_000), help="How many messages; 1,000, or all of --texts.")
@click.option("--texts", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Lines of text.")
@click.option("--rate", type=click.FloatRange(1, 10_000), default=100, show_default=True, help="Requests per second.")
@click.option("--keep", "keep_data", is_flag=True, help="Do not delete the data directory.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object, and nothing else on the output.")
@click.pass_context
def command(
    context: click.Context, count: int | None, file: Path | None, rate: float, *, keep_data: bool, as_json: bool
) -> None:
    """Send real texts through Kafka, both stages, the Twilio simulator, webhooks, ClickHouse; compare with its ledger.

    --texts takes a file of lines, or of lines with a label and a tab before the text. Some people say STOP in the
    middle. The exit status is not 0 if a promise was broken.
    """
    settings = command_settings(context)
    if settings.twilio.account_sid:
        raise InvalidSettings("twilio.account_sid: the demo texts people who do not exist; unset it")
    try:
        bodies = sample_texts(file)
    except (ValueError, OSError) as error:
        raise click.UsageError(f"--texts: {error}") from None
    wanted = count or (len(bodies) if file else 1000)
    report = _run(settings, bodies, wanted, rate, keep_data=keep_data)
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        _echo_report(report)
    if report.broken:
        for promise in report.broken:
            click.echo(f"BROKEN: {promise}", err=True)
        context.exit(1)


def _run(settings: Settings, bodies: list[str], count: int, rate: float, *, keep_data: bool) -> DemoReport:
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="smsflow-demo-"))
    machine = Machine(
        settings.model_copy(update={"data_dir": folder}), Supervisor(console.print), console.print, TUNING
    )
    install_signal_handlers()
    try:
        machine.start()
        with _ProgressDisplay(console, count, machine.supervisor) as display:
            name = f"demo-{uuid.uuid4().hex[:8]}"
            run = DemoRun(machine.effective_settings(), name, bodies, count, rate, display.on_progress)
            return asyncio.run(run.run())
    except (StartError, DataDirInUse) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.ClickException("interrupted") from None
    finally:
        machine.stop()
        if keep_data:
            console.print(f"the data directory is {folder}")
        else:
            shutil.rmtree(folder)


class _ProgressDisplay:
    """Shows progress: bars on a terminal, a line now and then elsewhere. Also restarts processes that ended."""

    def __init__(self, console: Console, count: int, supervisor: Supervisor) -> None:
        self._console = console
        self._supervisor = supervisor
        self._printed_at = 0.0
        columns = (TextColumn("{task.description:>10}"), BarColumn(), TextColumn("{task.completed}"))
        self._progress = Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)
        self._bars = {
            name: self._progress.add_task(name, total=count)
            for name in ("requested", "sent", "delivered", "finished", "priced")
        }

    def __enter__(self) -> _ProgressDisplay:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_progress(self, tally: Tally) -> None:
        """Show the state of the run, and let the supervisor look at its processes."""
        self._supervisor.watch()
        figures = {
            "requested": len(tally.requested),
            "sent": len(tally.sent),
            "delivered": len(tally.delivered),
            "finished": len(tally.requested) - len(tally.unfinished()),
            "priced": len(tally.prices),
        }
        for name, figure in figures.items():
            self._progress.update(self._bars[name], completed=figure)
        if not self._console.is_terminal and time.monotonic() - self._printed_at > PRINT_EVERY_S:
            self._printed_at = time.monotonic()
            self._console.print(", ".join(f"{name} {figure}" for name, figure in figures.items()))


def _echo_report(report: DemoReport) -> None:
    cost, latency = report.cost, report.latency_ms
    click.echo()
    echo_pairs(
        {
            "requested": report.requested,
            "sent": f"{report.sent}, {report.segments} segments, {report.messages_per_second} a second",
            "delivered": report.delivered,
            "failed": _by_reason(report.failed),
            "suppressed": _by_reason(report.suppressed),
            "latency": f"request to Twilio call: p50 {latency['p50']} ms, p99 {latency['p99']} ms",
            "cost": f"{cost['currency']}: estimated {cost['estimated']}, billed {cost['billed']}, "
            f"ledger {cost['ledger']}",
        }
    )
    click.echo()
    numeric = ("messages", "segments", "estimated", "billed")
    echo_table(("campaign", *numeric), report.by_campaign, right=numeric)
    click.echo(f"\nduplicates {report.duplicates}, lost {report.lost}, sent after STOP {report.sent_after_stop}")


def _by_reason(counts: Mapping[str, int]) -> str:
    named = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return f"{sum(counts.values())} ({named})" if named else "0"
