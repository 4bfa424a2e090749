"""The named reports: one SQL file each under ``queries/``, answered by ClickHouse itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Protocol, get_args

from connectors.clickhouse.client import ClickHouse, Table
from connectors.clickhouse.errors import UnknownReport

By = Literal["tenant", "campaign", "country", "sender", "day"]
GROUPINGS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True, slots=True)
class Report:
    """Columns and rows; amounts are `Decimal`, times aware UTC. ``kinds`` says how a column travels as JSON."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    kinds: tuple[str, ...]

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Summary:
    """Where the messages of a time stand now. ``requested`` is every message of which there is at least one event.

    ``sent``: accepted by Twilio at least once. ``open``: no end known yet. ``failed`` and ``suppressed`` count by
    reason, ``estimated`` and ``billed`` are amounts by currency.
    """

    requested: int = 0
    sent: int = 0
    delivered: int = 0
    open: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    suppressed: Mapping[str, int] = field(default_factory=dict)
    segments: int = 0
    estimated: Mapping[str, Decimal] = field(default_factory=dict)
    billed: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Latency:
    """From request to call, in milliseconds; None where no message was called."""

    messages: int
    p50_ms: int | None
    p99_ms: int | None


class Reports(Protocol):
    """The same answers, from ClickHouse directly or from the process that owns a chDB folder. Raises Unavailable."""

    def cost(self, by: By, since: datetime) -> Report:
        """Segments, estimated and billed amounts per value of ``by`` and currency, of what was sent since then."""
        ...

    def summary(self, since: datetime) -> Summary:
        """Counts and amounts of the messages requested since then."""
        ...

    def message(self, message_id: str) -> Report:
        """Every event of one message in order; no rows if there is none."""
        ...

    def latency(self, since: datetime) -> Latency:
        """How long the messages requested since then waited for their call."""
        ...


class ClickHouseReports:
    """Asks ClickHouse."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    def cost(self, by: By, since: datetime) -> Report:
        """See `Reports`. Raises UnknownReport for another grouping."""
        column = known_grouping(by)
        return _report(self._ask(_sql("cost").replace("{by}", column), since=moment(since)))

    def summary(self, since: datetime) -> Summary:
        """See `Reports`."""
        counts = self._ask(_sql("summary"), since=moment(since))
        return _summary(counts, self._ask(_sql("totals"), since=moment(since)))

    def message(self, message_id: str) -> Report:
        """See `Reports`."""
        return _report(self._ask(_sql("message"), message_id=message_id))

    def latency(self, since: datetime) -> Latency:
        """See `Reports`."""
        messages, p50, p99 = self._ask(_sql("latency"), since=moment(since)).rows[0]
        return Latency(messages, p50, p99) if messages else Latency(0, None, None)

    def _ask(self, sql: str, **parameters: str) -> Table:
        return self._clickhouse.query(sql, parameters)


def known_grouping(by: str) -> By:
    """``by``, if costs can be grouped by it.

    Raises:
        UnknownReport: They cannot; the groupings there are are named.
    """
    if by not in GROUPINGS:
        raise UnknownReport(f"cost by {by}: expected one of {', '.join(GROUPINGS)}")
    return by


def moment(time: datetime) -> str:
    """The text that ClickHouse reads as a DateTime64(3, 'UTC'), whatever the server's time zone.

    Raises:
        ValueError: The time has no zone.
    """
    if time.tzinfo is None:
        raise ValueError(f"{time}: a time without a zone")
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


@cache
def _sql(name: str) -> str:
    return files(__package__).joinpath("queries", f"{name}.sql").read_text("utf-8")


def _report(table: Table) -> Report:
    return Report(table.columns, table.rows, tuple(map(_kind, table.types)))


def _kind(type_name: str) -> str:
    for word, kind in (("DateTime", "time"), ("Date", "date"), ("Decimal", "decimal")):
        if word in type_name:
            return kind
    return "plain"


def _summary(counts: Table, totals: Table) -> Summary:
    by_outcome: dict[str, dict[str, int]] = {}
    for outcome, why, messages, _, _ in counts.rows:
        by_outcome.setdefault(outcome, {})[why] = messages
    return Summary(
        requested=sum(row[2] for row in counts.rows),
        sent=sum(row[3] for row in counts.rows),
        delivered=sum(by_outcome.get("delivered", {}).values()),
        open=sum(by_outcome.get("open", {}).values()),
        failed=by_outcome.get("failed", {}),
        suppressed=by_outcome.get("suppressed", {}),
        segments=sum(row[4] for row in counts.rows),
        estimated={currency: estimated for currency, estimated, _ in totals.rows},
        billed={currency: billed for currency, _, billed in totals.rows},
    )


def report_to_json(report: Report) -> dict[str, Any]:
    """Amounts and times become text: no figure passes through a float."""
    rows = [[_to_text(value, kind) for value, kind in zip(row, report.kinds, strict=True)] for row in report.rows]
    return {"columns": list(report.columns), "kinds": list(report.kinds), "rows": rows}


def report_from_json(found: Mapping[str, Any]) -> Report:
    """What `report_to_json` wrote."""
    kinds = tuple(found["kinds"])
    rows = (tuple(_from_text(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in found["rows"])
    return Report(tuple(found["columns"]), tuple(rows), kinds)


def summary_to_json(summary: Summary) -> dict[str, Any]:
    """Plain values; amounts as text."""
    plain: dict[str, Any] = {name: getattr(summary, name) for name in Summary.__dataclass_fields__}
    for name in ("estimated", "billed"):
        plain[name] = {currency: str(amount) for currency, amount in plain[name].items()}
    return plain


def summary_from_json(found: Mapping[str, Any]) -> Summary:
    """What `summary_to_json` wrote."""
    values = dict(found)
    for name in ("estimated", "billed"):
        values[name] = {currency: Decimal(amount) for currency, amount in values[name].items()}
    return Summary(**values)


def _to_text(value: Any, kind: str) -> Any:
    if value is None or kind == "plain":
        return value
    return str(value) if kind == "decimal" else value.isoformat()


def _from_text(value: Any, kind: str) -> Any:
    if value is None or kind == "plain":
        return value
    readers: Mapping[str, Any] = {"decimal": Decimal, "time": datetime.fromisoformat, "date": date.fromisoformat}
    return readers[kind](value)
