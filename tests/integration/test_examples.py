"""The programs of ``examples/``, run as their README says, against the running system."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.documents import ROOT
from tests.integration.fixtures import person
from tests.integration.machine import Machine

EXAMPLES = ROOT / "examples"
if not EXAMPLES.exists():
    pytest.skip("the examples stay in the checkout", allow_module_level=True)

pytestmark = pytest.mark.kafka


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """One program, ended within a minute."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_published_request_is_sent_and_its_events_are_read_once(machine: Machine) -> None:
    broker = machine.told.broker
    published = run(sys.executable, "examples/publish.py", broker, person(520), "Hello", "example-1")
    assert (published.returncode, published.stdout) == (0, "published example-1\n"), published.stderr
    machine.became("example-1", "sent")

    followed = run(sys.executable, "examples/consume_status.py", broker, "10")
    about = [line for line in followed.stdout.splitlines() if line.startswith("example-1: ")]
    assert any("accepted by Twilio as SM" in line for line in about), followed.stdout + followed.stderr
    assert len(about) == len(set(about))


def test_a_publisher_without_a_broker_says_so() -> None:
    failed = run(sys.executable, "examples/publish.py", "127.0.0.1:1", person(521), "Hello")
    assert failed.returncode == 1
    assert "not published" in failed.stderr


def test_a_table_is_read_from_its_changelog(machine: Machine) -> None:
    broker = machine.told.broker
    run(sys.executable, "examples/publish.py", broker, person(522), "Hello", "example-table")
    machine.became("example-table", "sent")

    table = run(sys.executable, "examples/read_table.py", broker, "smsflow-person-messages-changelog")
    assert f"{person(522)} example-table MessageState(" in table.stdout, table.stderr
    other = run(sys.executable, "examples/read_table.py", broker, "sms-sent")
    assert other.returncode == 2
    assert "smsflow-person-consent-changelog" in other.stderr


def test_copying_a_topic_onto_itself_is_refused(machine: Machine) -> None:
    broker = machine.told.broker
    same = run(
        *(sys.executable, "examples/copy_topic.py", "--from", broker, "--to", broker),
        *("--topic", "sms-requests", "--person", person(520)),
    )
    assert same.returncode == 2
    assert "would be texted" in same.stderr


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
def test_kcat_publishes_a_request(machine: Machine) -> None:
    published = run("examples/kcat.sh", machine.told.broker, person(523))
    assert published.returncode == 0, published.stderr
