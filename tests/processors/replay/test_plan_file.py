"""A plan survives its file, and a file that is no plan is told so."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from processors.core.replay import Filters, Plan, PlanEntry, RecordLocation, ReplayVerdict
from processors.replay.plan_file import PlanFileError, dump_plan, parse_plan
from tests.builders import NOW

PLAN = Plan(
    "replay-1",
    NOW,
    Filters(NOW - timedelta(days=1), None, frozenset({"unreachable", "expired"}), "acme", None),
    (
        PlanEntry(RecordLocation("sms-failed", 0, 7), "unreachable", ReplayVerdict.SEND, "sms-requests", "m1"),
        PlanEntry(
            RecordLocation("sms-callbacks-dlq", 1, 0),
            "undecodable",
            ReplayVerdict.NEVER,
            "sms-callbacks",
            None,
            "why not",
        ),
    ),
)


def test_a_plan_is_read_as_it_was_written() -> None:
    assert parse_plan(dump_plan(PLAN)) == PLAN


def test_a_plan_file_counts_for_people_who_open_it() -> None:
    assert json.loads(dump_plan(PLAN))["counts"] == [
        ["undecodable", "never", "why not", 1],
        ["unreachable", "send", "", 1],
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no replay plan"),
        ("[]", "no replay plan"),
        ("{}", "no replay plan"),
        (dump_plan(PLAN).replace('"version": 1', '"version": 2'), "a plan of version 2, expected 1: make a new one"),
    ],
)
def test_a_file_that_is_no_plan_says_what_it_lacks(text: str, says: str) -> None:
    with pytest.raises(PlanFileError, match=says):
        parse_plan(text)
