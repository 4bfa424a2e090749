"""What docs/cost.md tells analysts to type works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.clickhouse.client import ClickHouse
from tests.connectors.clickhouse.fixtures import PERSON, failed, price, sent, status, store

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "cost.md").read_text("utf-8"), re.DOTALL)
STATEMENTS = [statement.strip() for block in BLOCKS for statement in block.split(";\n") if statement.strip()]


@pytest.mark.clickhouse
def test_every_statement_of_the_cost_page_runs(clickhouse: ClickHouse) -> None:
    store(clickhouse, [sent(), status("delivered"), price("0.01"), failed("expired", "m2")])
    assert len(STATEMENTS) >= 6
    for statement in STATEMENTS:
        if statement.startswith("SELECT"):
            clickhouse.query(statement)
        else:
            clickhouse.command(statement)
    assert clickhouse.query("SELECT count() FROM events WHERE person = {p:String}", {"p": PERSON}).rows == ((0,),)
