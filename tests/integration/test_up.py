"""One machine over its life: started, stopped by Ctrl-C, started again on the same folder, killed."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psutil
import pytest

from tests.integration.fixtures import person
from tests.integration.machine import Machine, until

pytestmark = pytest.mark.kafka
FIRST, LATER = person(1), person(2)
SEND = ("send", "--to", FIRST, "--body", "Hello", "--message-id", "first", "--campaign", "spring")
ON_THE_WAY = {"SendRequest", "Dispatch", "AttemptResult"}
AFTERWARDS = {"Sent", "TwilioCallback", "StatusChanged", "ListEntry", "Price"}
PARTS = 7  # Kafka and its guard, sink, ingester, simulator, two workers
DIES_WITHIN_S = 5.0


def test_a_stop_loses_nothing_the_next_start_goes_on_and_a_kill_leaves_no_process(machine: Machine) -> None:
    told = sent_traced_and_priced(machine)
    due = scheduled(machine)
    stopped_by_ctrl_c(machine)
    stopped_at = datetime.now(UTC)
    machine.start()
    everything_is_found_again(machine, told)
    the_scheduled_message_goes_out(machine, max(due, stopped_at))
    killed(machine)


def sent_traced_and_priced(machine: Machine) -> list[dict[str, Any]]:
    """One message by hand: what happened to it, in order, and its price to the last digit."""
    machine.control("outcomes", to=FIRST, status="delivered")
    assert machine.smsflow(*SEND).strip() == "first"
    machine.became("first", "delivered")
    [cost] = until(lambda: [row for row in costs(machine) if row["unpriced"] == 0], "the message is priced")
    [row] = machine.ledger(FIRST)
    steps = machine.lines("trace", "first")

    kinds = [step["kind"] for step in steps]
    assert kinds[:2] == ["SendRequest", "Dispatch"]
    assert set(kinds) == ON_THE_WAY | AFTERWARDS
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    assert [step["record"]["status"] for step in steps if step["kind"] == "StatusChanged"][-1] == "delivered"
    assert kinds.index("AttemptResult") < kinds.index("Sent") < kinds.index("Price")
    told = [step for step in steps if step["kind"] in ("Sent", "StatusChanged", "Price")]
    assert {step["record"]["sid"] for step in told} == {row["sid"]}
    assert (cost["campaign"], cost["messages"], cost["segments"]) == ("spring", 1, 1)
    assert Decimal(cost["billed"]) == -Decimal(row["price"])
    return steps


def scheduled(machine: Machine) -> datetime:
    """A message for later; when it is due."""
    machine.smsflow("send", "--to", LATER, "--body", "See you", "--message-id", "later", "--send-at", "12s")
    waiting = machine.became("later", "waiting")
    assert waiting.reason == "send_at"
    assert waiting.until is not None
    return waiting.until


def stopped_by_ctrl_c(machine: Machine) -> None:
    """All parts end, in order, and nothing goes out on the way."""
    running = machine.processes()
    assert len(running) == PARTS + 1, running
    assert not machine.ledger(LATER)
    assert machine.end(signal.SIGINT) == 0
    assert not {process for process in running if alive(process)}
    assert not machine.processes()
    assert machine.said().count(" stopped (") == PARTS - 1  # the guard goes with Kafka


def everything_is_found_again(machine: Machine, told: list[dict[str, Any]]) -> None:
    """Topics, tables and rows of the first run."""
    now = machine.lines("trace", "first")
    assert [step for step in now if step in told] == told
    assert [(row["messages"], row["unpriced"]) for row in costs(machine)] == [(1, 0)]
    machine.smsflow(*SEND)  # its id is known, so nobody gets it twice: the next one of this person comes after it
    machine.smsflow("send", "--to", FIRST, "--body", "Hello again")


def the_scheduled_message_goes_out(machine: Machine, earliest: datetime) -> None:
    """After it was due, in the second life, and nothing else does."""
    [row] = until(lambda: machine.ledger(LATER), "the scheduled message is sent")
    assert datetime.fromisoformat(row["accepted_at"]) >= earliest
    until(lambda: len(machine.ledger(FIRST)) > 1, "the last message is sent")
    bodies = [row["body"] for to in (FIRST, LATER) for row in machine.ledger(to)]
    assert sorted(bodies) == ["Hello", "Hello again", "See you"]


def killed(machine: Machine) -> None:
    """``kill -9`` of `up` alone takes everything else with it."""
    running = machine.processes()
    assert len(running) == PARTS + 1, running
    machine.kill()
    until(lambda: not machine.processes(), f"no process is left of {running}", DIES_WITHIN_S)
    assert not {process for process in running if alive(process)}


def costs(machine: Machine) -> list[dict[str, Any]]:
    return [row for row in machine.lines("report", "cost", "--by", "campaign") if row["campaign"] == "spring"]


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
