"""A role as a process: it is told its settings, says when it serves, and dies with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from processors.local.child_process import ChildProcess
from processors.local.data_dir import DataDirInUse, lock_data_dir, saved_ports
from processors.settings.model import load_settings

PATIENCE_S = 20.0


def simulator(folder: Path) -> ChildProcess:
    """The role that needs no server."""
    settings = {"SMSFLOW_DATA_DIR": str(folder), "SMSFLOW_SIMULATOR_PORT": "0"}
    return ChildProcess("simulator", ["simulator"], folder, settings)


def await_ready(role: ChildProcess) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while (where := role.ready()) is None:
        assert role.alive(), role.exit_report()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return where


def test_a_role_says_where_it_serves_and_stops_when_told(tmp_path: Path) -> None:
    role = simulator(tmp_path)
    role.start()
    assert await_ready(role).startswith("http://127.0.0.1:")
    role.stop()
    assert not role.alive()
    assert role.pid is None


def test_a_role_that_cannot_start_says_why(tmp_path: Path) -> None:
    role = ChildProcess("ingester", ["ingest"], tmp_path, {"SMSFLOW_DATA_DIR": str(tmp_path)})
    role.start()
    assert role._process is not None
    role._process.wait(PATIENCE_S)
    assert role.exit_report().startswith("exit status 2; the end of")
    assert "twilio.public_url (SMSFLOW_TWILIO_PUBLIC_URL): needed by smsflow ingest" in role.exit_report()
    assert role.ready() is None
    role.stop()


def test_a_role_that_was_killed_is_started_again_and_says_so_anew(tmp_path: Path) -> None:
    role = simulator(tmp_path)
    role.start()
    await_ready(role)
    assert role._process is not None
    role._process.kill()
    role._process.wait()
    assert role.exit_report().startswith("killed by SIGKILL")
    role.start()
    assert await_ready(role)
    role.stop()


PARENT = """
    import sys, time
    from pathlib import Path
    from processors.local.child_process import ChildProcess

    folder = Path(sys.argv[1])
    told = {"SMSFLOW_SIMULATOR_PORT": "0", "SMSFLOW_DATA_DIR": str(folder)}
    role = ChildProcess("simulator", ["simulator"], folder, told)
    role.start()
    while role.ready() is None:
        time.sleep(0.02)
    print(role.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_role_outlives_the_process_that_started_it(tmp_path: Path, how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(how)
    parent.communicate()
    gone, alive = psutil.wait_procs([child], timeout=PATIENCE_S)
    assert (len(gone), alive) == (1, [])


def test_a_data_directory_has_one_owner(tmp_path: Path) -> None:
    with lock_data_dir(tmp_path), pytest.raises(DataDirInUse, match="another smsflow runs on"), lock_data_dir(tmp_path):
        pass
    with lock_data_dir(tmp_path):
        pass


def test_ports_are_chosen_once_and_kept(tmp_path: Path) -> None:
    settings = load_settings(environ={"SMSFLOW_SINK_PORT": "1234"})
    first = saved_ports(tmp_path, settings)
    assert first == saved_ports(tmp_path, settings)
    assert first["sink"] == 1234
    assert len(set(first.values())) == 3
    assert os.stat(tmp_path / "ports.json").st_mode & 0o077 == 0
