"""How a role says that it serves: in a file that a supervisor or a health check waits for."""

from __future__ import annotations

from pathlib import Path

from connectors.files import write_atomically


def announce_ready(ready_file: Path | None, address: str) -> None:
    """Write the address at which the role serves to the ready file; without one, do nothing."""
    if ready_file is None:
        return
    ready_file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(ready_file, address)
