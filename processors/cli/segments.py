"""``smsflow segments``: encoding, units and segments of a text, and what smart encoding would save."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import click

from processors.cli.tables import echo_table
from processors.core.sms.segments import savings

_SHOWN_CHARACTERS = 60


@click.command("segments")
@click.argument("text", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text, as each is read.")
def command(text: str | None, *, as_json: bool) -> None:
    """Count a text's segments: of TEXT, or of every line of standard input."""
    texts = [text] if text is not None else _input_lines()
    if as_json:
        for item in texts:
            click.echo(_json(item))
    else:
        numeric = ("units", "segments", "smart saves")
        echo_table(("encoding", *numeric, "text"), _rows(texts), right=numeric)


def _input_lines() -> Iterator[str]:
    stream = click.get_text_stream("stdin", "utf-8")
    if stream.isatty():
        raise click.UsageError('no text: give it as an argument, like smsflow segments "Hello", or as lines of input')
    return (line.rstrip("\n") for line in stream)


def _json(text: str) -> str:
    found = savings(text)
    smart = {**asdict(found.after), "segments_saved": found.segments}
    return json.dumps({"text": text, **asdict(found.before), "smart_encoding": smart}, ensure_ascii=False)


def _rows(texts: Iterable[str]) -> Iterator[tuple[object, ...]]:
    for text in texts:
        found = savings(text)
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
        yield found.before.encoding, found.before.units, found.before.segments, found.segments or "-", shown
