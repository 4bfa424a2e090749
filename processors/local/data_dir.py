"""What one machine keeps in its data directory beside its parts' own data: a lock, the ports, the settings of a run."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from connectors.kafka.embedded.broker_files import free_port
from processors.settings.model import Settings

ROLES_WITH_PORTS = ("sink", "ingester", "simulator")


class DataDirInUse(Exception):
    """Another smsflow runs on this data directory; the text says what to do."""


@contextmanager
def lock_data_dir(folder: Path) -> Iterator[None]:
    """Keep every other `smsflow up` away: the lock goes with this process, however it ends. Raises DataDirInUse."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirInUse(
                f"another smsflow runs on {folder}: stop it first, or give another --data-dir (SMSFLOW_DATA_DIR)"
            ) from None
        yield


def saved_ports(folder: Path, settings: Settings) -> dict[str, int]:
    """The ports of the last start, chosen now if this is the first; a port the settings name is taken as it is."""
    file = folder / "ports.json"
    known: dict[str, int] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    ports: dict[str, int] = {}
    for role in ROLES_WITH_PORTS:
        group = getattr(settings, role)
        given = group.port if "port" in group.model_fields_set else 0
        ports[role] = given or known.get(role) or _fresh(ports)
    write_private(file, json.dumps(ports))
    return ports


def write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    new = file.with_suffix(f".{os.getpid()}")
    new.touch(mode=0o600)
    new.write_text(text, "utf-8")
    new.replace(file)


def _fresh(taken: Mapping[str, int]) -> int:
    while (port := free_port()) in taken.values():
        pass
    return port
