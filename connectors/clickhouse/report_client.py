"""Reports for commands: from ClickHouse where it is a server, else from the sink that owns the chDB folder."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from connectors.clickhouse.client import ClickHouse, parse_url
from connectors.clickhouse.errors import QueryRefused, Unavailable, UnknownReport
from connectors.clickhouse.reports import (
    By,
    ClickHouseReports,
    Latency,
    Report,
    Reports,
    Summary,
    report_from_json,
    summary_from_json,
)

TIMEOUT = 60.0
"""Seconds a report may take."""


class ReportClient:
    """Asks a sink's report server, e.g. ``http://127.0.0.1:8088``. Raises Unavailable, QueryRefused, UnknownReport."""

    def __init__(self, base: str, timeout: float = TIMEOUT) -> None:
        if urllib.parse.urlsplit(base).scheme not in ("http", "https"):
            raise ValueError(f"{base}: expected http://host:port of the sink")
        self._base = base.rstrip("/")
        self._timeout = timeout

    def cost(self, by: By, since: datetime) -> Report:
        """See `Reports`."""
        return report_from_json(self._get("/reports/cost", by=by, since=_text(since)))

    def summary(self, since: datetime) -> Summary:
        """See `Reports`."""
        return summary_from_json(self._get("/reports/summary", since=_text(since)))

    def message(self, message_id: str) -> Report:
        """See `Reports`."""
        return report_from_json(self._get(f"/reports/message/{urllib.parse.quote(message_id, safe='')}"))

    def latency(self, since: datetime) -> Latency:
        """See `Reports`."""
        return Latency(**self._get("/reports/latency", since=_text(since)))

    def health(self) -> dict[str, Any]:
        """The sink's state, ``ok`` among it, also while it fails."""
        return self._get("/health", failing_is_an_answer=True)

    def _get(self, path: str, *, failing_is_an_answer: bool = False, **query: str) -> dict[str, Any]:
        url = f"{self._base}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=self._timeout) as response:  # noqa: S310  http(s), see __init__
                return _dict(response.read())
        except urllib.error.HTTPError as error:
            with error:
                body = _dict(error.read())
            if failing_is_an_answer and "ok" in body:
                return body
            raise _refusal(error.code, str(body.get("error", error.reason))) from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"no answer from the sink at {self._base}: {error}") from error


@contextmanager
def open_reports(clickhouse_url: str, sink: str) -> Iterator[Reports]:
    """Whoever can answer: the server in ``clickhouse_url``, or for a chDB folder the sink listening at ``sink``."""
    if parse_url(clickhouse_url).folder is not None:
        yield ReportClient(sink)
        return
    clickhouse = ClickHouse(clickhouse_url)
    try:
        yield ClickHouseReports(clickhouse)
    finally:
        clickhouse.close()


def _text(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError(f"{time}: a time without a zone")
    return time.astimezone(UTC).isoformat()


def _dict(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {"error": body.decode(errors="replace")[:200]}
    return found if isinstance(found, dict) else {"error": str(found)}


def _refusal(status: int, text: str) -> Exception:
    if status == 400:
        return UnknownReport(text)
    return Unavailable(text) if status >= 500 else QueryRefused(text)
