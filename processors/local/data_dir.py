"""The files that one-machine mode itself has in its data directory: a lock, the roles' ports, the settings of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from connectors.files import write_atomically
from connectors.free_port import free_port
from processors.settings.model import Settings

ROLES_WITH_PORTS = ("sink", "ingester", "simulator")


class DataDirInUse(Exception):
    """Another smsflow runs on this data directory; the text says what to do."""


@contextmanager
def lock_data_dir(folder: Path) -> Iterator[None]:
    """Lock the data directory against every other smsflow; the system unlocks it when this process ends.

    Raises:
        DataDirInUse: Another smsflow runs on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise DataDirInUse(
            f"another smsflow runs on {folder}: stop it first, or give another --data-dir (SMSFLOW_DATA_DIR)"
        ) from None
    try:
        yield
    finally:
        lock.release()


def saved_ports(folder: Path, settings: Settings) -> dict[str, int]:
    """The ports of the last start, chosen now if this is the first; a port that the settings name is used as it is.

    Returns:
        Role → port, for each of ``ROLES_WITH_PORTS``.
    """
    file = folder / "ports.json"
    known: dict[str, int] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    ports: dict[str, int] = {}
    for role in ROLES_WITH_PORTS:
        group = getattr(settings, role)
        given = group.port if "port" in group.model_fields_set else 0
        ports[role] = given or known.get(role) or _unused_port(ports)
    write_atomically(file, json.dumps(ports), private=True)
    return ports


def _unused_port(taken: Mapping[str, int]) -> int:
    while (port := free_port()) in taken.values():
        pass
    return port
