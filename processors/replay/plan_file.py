"""A replay plan as a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from processors.core.replay import Filters, Plan, PlanEntry, RecordLocation, ReplayVerdict
from schemas.json_values import json_value

VERSION = 1


class PlanFileError(ValueError):
    """The file is not a plan that this release can carry out; the text says why."""


def dump_plan(plan: Plan) -> str:
    """The plan as JSON."""
    filters = asdict(plan.filters) | {"reasons": sorted(plan.filters.reasons)}
    document = {
        "version": VERSION,
        "plan_id": plan.plan_id,
        "made_at": plan.made_at,
        "filters": filters,
        "counts": [[reason, verdict, why, count] for (reason, verdict, why), count in sorted(plan.counts().items())],
        "entries": [asdict(entry) for entry in plan.entries],
    }
    return json.dumps(document, indent=1, default=json_value)


def parse_plan(text: str) -> Plan:
    """The plan in a file's text.

    Raises:
        PlanFileError: It is none, or one of another release.
    """
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise PlanFileError(f"a plan of version {document['version']}, expected {VERSION}: make a new one")
        return Plan(
            plan_id=document["plan_id"],
            made_at=datetime.fromisoformat(document["made_at"]),
            filters=_filters(document["filters"]),
            entries=tuple(_entry(entry) for entry in document["entries"]),
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
