"""``smsflow demo``: real texts through the whole system, and the proof of what it promises."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
import uuid
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

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
PLAIN_EVERY_S = 5.0


@click.command("demo")
@click.option("-n", "--count", type=click.IntRange(10, 100_000), help="How many messages; 1,000, or all of --texts.")
@click.option("--texts", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Lines of text.")
@click.option("--rate", type=click.FloatRange(1, 10_000), default=100, show_default=True, help="Requests per second.")
@click.option("--keep", is_flag=True, help="Keep the data directory.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object, and nothing else on the output.")
@click.pass_context
def command(
    context: click.Context, count: int | None, file: Path | None, rate: float, *, keep: bool, as_json: bool
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
    report = _run(settings, bodies, wanted, rate, keep=keep)
    click.echo(json.dumps(report.as_json()) if as_json else "\n".join(_words(report)))
    if report.broken:
        for promise in report.broken:
            click.echo(f"BROKEN: {promise}", err=True)
        context.exit(1)


def _run(settings: Settings, bodies: list[str], count: int, rate: float, *, keep: bool) -> DemoReport:
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="smsflow-demo-"))
    machine = Machine(
        settings.model_copy(update={"data_dir": folder}), Supervisor(console.print), console.print, TUNING
    )
    install_signal_handlers()
    try:
        machine.start()
        with _Shown(console, count, machine.supervisor) as shown:
            name = f"demo-{uuid.uuid4().hex[:8]}"
            return asyncio.run(DemoRun(machine.effective_settings(), name, bodies, count, rate, shown.look).run())
    except (StartError, DataDirInUse) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise click.ClickException("interrupted") from None
    finally:
        machine.stop()
        if keep:
            console.print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


class _Shown:
    """Progress: live on a terminal, a line now and then elsewhere. Looks after the parts too."""

    def __init__(self, console: Console, count: int, supervisor: Supervisor) -> None:
        self._console = console
        self._supervisor = supervisor
        self._count = count
        self._said_at = 0.0
        columns = (TextColumn("{task.description:>10}"), BarColumn(), TextColumn("{task.completed}"))
        self._progress = Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)
        self._bars = {
            name: self._progress.add_task(name, total=count)
            for name in ("requested", "sent", "delivered", "finished", "priced")
        }

    def __enter__(self) -> _Shown:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def look(self, tally: Tally) -> None:
        """Show where the run is, and restart what died."""
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
        if not self._console.is_terminal and time.monotonic() - self._said_at > PLAIN_EVERY_S:
            self._said_at = time.monotonic()
            self._console.print(", ".join(f"{name} {figure}" for name, figure in figures.items()))


def _words(report: DemoReport) -> list[str]:
    cost = report.cost
    return [
        "",
        f"requested      {report.requested}",
        f"sent           {report.sent}, {report.segments} segments, {report.messages_per_second} a second",
        f"delivered      {report.delivered}",
        f"failed         {_by_reason(report.failed)}",
        f"suppressed     {_by_reason(report.suppressed)}",
        f"latency        request to Twilio call: p50 {report.latency_ms['p50']} ms, p99 {report.latency_ms['p99']} ms",
        f"cost           {cost['currency']}: estimated {cost['estimated']}, billed {cost['billed']}, "
        f"ledger {cost['ledger']}",
        *(
            f"  {campaign:12} {messages:5} messages {segments:5} segments  estimated {estimated}  billed {billed}"
            for campaign, messages, segments, estimated, billed in report.by_campaign
        ),
        "",
        f"duplicates {report.duplicates}, lost {report.lost}, sent after STOP {report.sent_after_stop}",
    ]


def _by_reason(counts: object) -> str:
    assert isinstance(counts, dict)
    total = sum(counts.values())
    named = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return f"{total} ({named})" if total else "0"
