"""One running system for the tests of this folder; who stops it need not start it again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.fixtures import DESK, SENDERS
from tests.integration.machine import Machine

QUICKER = {
    "SMSFLOW_SIMULATOR_QUICK": "true",
    "SMSFLOW_INTERVALS_RECONCILE_EVERY_S": "2",
    # An answer that was lost is given up 10 s after its call began.
    "SMSFLOW_TIMING_INTENT_LIFE_S": "3",
    "SMSFLOW_TWILIO_TIMEOUT_S": "4",
    "SMSFLOW_TIMING_LOOK_UPS_S": "1,2",
    "SMSFLOW_TIMING_SETTLE_BY_S": "3",
}


@pytest.fixture(scope="package")
def shared_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """`smsflow up` with the senders of `given`."""
    pools = {"default": [DESK]}
    given = {**QUICKER, "SMSFLOW_SENDERS": json.dumps(SENDERS), "SMSFLOW_POOLS": json.dumps(pools)}
    made = Machine(tmp_path_factory.mktemp("up") / "data", given)
    yield made
    made.kill()


@pytest.fixture
def machine(shared_machine: Machine) -> Machine:
    """It, running; every test writes to people and about messages of its own."""
    if not shared_machine.running():
        shared_machine.start()
    return shared_machine
