"""A STOP while the person's messages stand in a slow sender's queue."""

from __future__ import annotations

import pytest

from schemas.enums import Outcome
from schemas.topics import SMS_ATTEMPTS, SMS_REVOCATIONS
from tests.integration.fixtures import SHORT_CODE, SLOW, person, request
from tests.integration.machine import Machine, until

pytestmark = pytest.mark.kafka
FED_UP, PATIENT = person(300), person(301)
QUEUED = 10


def test_after_a_stop_nothing_more_leaves_the_queue_for_this_person_and_the_rest_goes_on(machine: Machine) -> None:
    """One a second leaves; the STOP comes to another number of ours, so only we, not the simulator, can know of it."""
    mine = [f"queued-{number}" for number in range(QUEUED)]
    others = ["other-0", "other-1"]
    machine.ask(*(request(message_id, FED_UP, sender=SLOW) for message_id in mine))
    machine.ask(*(request(message_id, PATIENT, sender=SLOW) for message_id in others))
    until(lambda: len(machine.ledger(FED_UP)) >= 2, "the first messages leave")
    machine.text(FED_UP, SHORT_CODE, "STOP")
    until(lambda: revoked(machine), "the sender workers are told")
    before = len(machine.ledger(FED_UP))

    for message_id in others:
        machine.became(message_id, "sent")  # behind all of the other person's in the one queue

    sent = left(machine, mine)
    assert 2 <= before <= QUEUED - 4
    assert len(machine.ledger(FED_UP)) == len(sent) <= before + 1  # a call may have been under way
    assert {machine.failed(message_id).reason for message_id in mine if message_id not in sent} == {"opted_out"}
    assert len(machine.ledger(PATIENT)) == len(others)
    caught = [answer for answer in machine.records(SMS_ATTEMPTS) if answer.message_id in set(mine) - sent]
    told = {(answer.outcome, answer.reason, answer.called_at) for answer in caught}
    assert told == {(Outcome.NOT_SENT, "opted_out", None)}
    assert len(caught) == QUEUED - len(sent)


def revoked(machine: Machine) -> bool:
    return any(told.person == FED_UP and told.revoked for told in machine.records(SMS_REVOCATIONS))


def left(machine: Machine, message_ids: list[str]) -> set[str]:
    """Those of the messages that Twilio accepted."""
    answers = machine.records(SMS_ATTEMPTS)
    return {answer.message_id for answer in answers if answer.outcome is Outcome.ACCEPTED} & set(message_ids)
