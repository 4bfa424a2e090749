"""``smsflow segments``: encoding, units and segments of a text, and what smart encoding would save."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import click

from processors.core.sms.segments import Savings, savings

_SHOWN = 60


@click.command("segments")
@click.argument("text", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text.")
def command(text: str | None, *, as_json: bool) -> None:
    """Count a text's segments: TEXT, or every line of standard input."""
    texts = [text] if text is not None else _lines()
    for line in _json(texts) if as_json else _table(texts):
        click.echo(line)


def _lines() -> Iterator[str]:
    stream = click.get_text_stream("stdin", "utf-8")
    if stream.isatty():
        raise click.UsageError('no text: give it as an argument, like smsflow segments "Hello", or as lines of input')
    return (line.rstrip("\n") for line in stream)


def _json(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        found = savings(text)
        yield json.dumps(
            {
                "text": text,
                **asdict(found.before),
                "smart_encoding": {**asdict(found.after), "segments_saved": found.segments},
            },
            ensure_ascii=False,
        )


def _table(texts: Iterable[str]) -> Iterator[str]:
    yield f"{'encoding':8}  {'units':>5}  {'segments':>8}  {'smart saves':>11}  text"
    for text in texts:
        yield _row(text, savings(text))


def _row(text: str, found: Savings) -> str:
    saved = str(found.segments) if found.segments else "-"
    shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return f"{found.before.encoding:8}  {found.before.units:5}  {found.before.segments:8}  {saved:>11}  {shown}"
