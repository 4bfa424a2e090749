"""A replay plan as a JSON file: places in Kafka and verdicts, no texts and no numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from processors.core.replay import Filters, Plan, PlanEntry, RecordLocation, ReplayVerdict
from schemas.json_values import json_value

VERSION = 1


class PlanFileError(ValueError):
    """The file is no plan that this release can carry out; the text says why."""


def dump_plan(plan: Plan) -> str:
    """The plan as JSON."""
    filters = asdict(plan.filters) | {"reasons": sorted(plan.filters.reasons)}
    whole = {
        "version": VERSION,
        "plan_id": plan.plan_id,
        "made_at": plan.made_at,
        "filters": filters,
        "counts": [[reason, verdict, why, count] for (reason, verdict, why), count in sorted(plan.counts().items())],
        "entries": [asdict(entry) for entry in plan.entries],
    }
    return json.dumps(whole, indent=1, default=json_value)


def parse_plan(text: str) -> Plan:
    """The plan in a file's text. Raises PlanFileError."""
    try:
        whole = json.loads(text)
        if whole["version"] != VERSION:
            raise PlanFileError(f"a plan of version {whole['version']}, expected {VERSION}: make a new one")
        return Plan(
            plan_id=whole["plan_id"],
            made_at=datetime.fromisoformat(whole["made_at"]),
            filters=_filters(whole["filters"]),
            entries=tuple(_entry(entry) for entry in whole["entries"]),
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise PlanFileError(f"no replay plan ({error!r}): make one with smsflow replay plan --out") from error


def _filters(fields: dict[str, Any]) -> Filters:
    until = fields["until"]
    return Filters(
        since=datetime.fromisoformat(fields["since"]),
        until=datetime.fromisoformat(until) if until else None,
        reasons=frozenset(fields["reasons"]),
        tenant=fields["tenant"],
        campaign=fields["campaign"],
    )


def _entry(fields: dict[str, Any]) -> PlanEntry:
    return PlanEntry(
        **fields | {"place": RecordLocation(**fields["place"]), "verdict": ReplayVerdict(fields["verdict"])}
    )
