"""What failed for a passing reason is replayed by the commands an operator types; everything else stays as it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.kafka.records import ConsumedRecord as Read
from schemas.topics import SMS_REQUESTS, SMS_REVOCATIONS
from tests.integration.fixtures import UNLUCKY, person
from tests.integration.machine import Machine, until

pytestmark = pytest.mark.kafka
ANNA, BEN, CLEO = person(400), person(401), person(402)
MINE = ("--since", "1h", "--campaign", "replayed")


def test_a_replay_sends_what_may_pass_now_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    """Twilio takes nothing for a while (429), so two messages miss their deadline; one person says STOP meanwhile."""
    delivered(machine, CLEO)
    anna, ben = too_late(machine, ANNA, BEN)
    plan, old_plan = tmp_path / "plan.json", tmp_path / "old plan.json"
    for file in (plan, old_plan):
        words = machine.smsflow("replay", "plan", *MINE, "--reason", "expired", "--out", str(file))
        assert "2 failures: 2 to send, 0 to put back" in words
    stopped(machine, BEN)

    assert put_back(machine, plan) == "2 put back, 0 were put back before, 0 are gone from Kafka"
    assert machine.became(anna, "delivered").attempt > machine.failed(anna).attempt
    assert machine.became(ben, "replay_refused").reason == "opted_out"
    assert put_back(machine, plan) == "0 put back, 2 were put back before, 0 are gone from Kafka"
    assert machine.smsflow("replay", "show", str(plan)).endswith("2 of 2 put back\n")

    assert put_back(machine, old_plan) == "2 put back, 0 were put back before, 0 are gone from Kafka"
    assert machine.became(anna, "replay_refused").reason == "delivered"
    assert [len(machine.ledger(to)) for to in (ANNA, BEN, CLEO)] == [1, 0, 1]
    assert verdicts(machine) == {anna: "delivered", ben: "opted out"}
    assert {row["body"] for row in machine.ledger(ANNA)} == {"hello"}


def test_a_dead_letter_is_put_back_once_and_comes_again_if_its_cause_is_still_there(
    machine: Machine, tmp_path: Path
) -> None:
    since, bad, key = datetime.now(UTC).isoformat(), b"\x00\x00\x01\x02\x04 of another release", b"later"
    machine.produce(SMS_REQUESTS.name, bad, key)
    until(lambda: len(letters(machine, key)) == 1, "it is buried")
    plan, words = tmp_path / "plan.json", ("--since", since, "--reason", "unknown_schema_id")
    machine.smsflow("replay", "plan", *words, "--out", str(plan))

    assert put_back(machine, plan) == "1 put back, 0 were put back before, 0 are gone from Kafka"
    until(lambda: len(letters(machine, key)) == 2, "it is buried again")
    assert put_back(machine, plan) == "0 put back, 1 were put back before, 0 are gone from Kafka"
    assert [read.value for read in machine.reads(SMS_REQUESTS.name) if read.key == key] == [bad, bad]
    [first, again] = letters(machine, key)
    entries = json.loads(machine.smsflow("replay", "plan", *words, "--json"))["entries"]
    assert [(entry["place"]["offset"], entry["verdict"], entry["why"]) for entry in entries] == [
        (first.offset, "never", "put back before"),
        (again.offset, "put_back", ""),
    ]


def letters(machine: Machine, key: bytes) -> list[Read]:
    """The dead letters of the records with this key, in order."""
    return [read for read in machine.reads(f"{SMS_REQUESTS.name}-dlq") if read.key == key]


def delivered(machine: Machine, to: str) -> None:
    machine.control("outcomes", to=to, status="delivered")
    machine.became(asked(machine, to), "delivered")


def too_late(machine: Machine, *people: str) -> list[str]:
    """A message to each of them that Twilio does not take before its deadline."""
    for to in people:
        machine.control("outcomes", to=to, status="delivered")
    machine.control("faults", fault="429", times=None)
    message_ids = [asked(machine, to, "--deadline", "3s") for to in people]
    assert {machine.failed(message_id).reason for message_id in message_ids} == {"expired"}
    machine.control("faults", "DELETE")
    return message_ids


def asked(machine: Machine, to: str, *more: str) -> str:
    words = ("send", "--to", to, "--from", UNLUCKY, "--body", "hello", "--campaign", "replayed", *more)
    return machine.smsflow(*words).strip()


def stopped(machine: Machine, to: str) -> None:
    """Until every sender worker can know."""
    machine.text(to, UNLUCKY, "STOP")
    until(lambda: any(one.person == to and one.revoked for one in machine.records(SMS_REVOCATIONS)), "it is revoked")


def verdicts(machine: Machine) -> dict[str, str]:
    """What a plan made now says of each message, and why: nothing of these is to be sent."""
    entries = json.loads(machine.smsflow("replay", "plan", *MINE, "--json"))["entries"]
    assert {entry["verdict"] for entry in entries} == {"never"}
    return {entry["message_id"]: entry["why"] for entry in entries}


def put_back(machine: Machine, plan: Path) -> str:
    return machine.smsflow("replay", "run", str(plan)).splitlines()[-1]
