"""How a role and its supervisor know of each other: the role says when it serves, and does not outlive its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from processors.settings.sources import SUPERVISED_VARIABLE

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
LOST_PARENT = 70


def exit_with_parent(environ: Mapping[str, str] = os.environ) -> None:
    """Die with the supervisor, should this process have one, however that ends: called before anything else.

    The supervisor holds the other end of our standard input, whose end means that it is gone. On Linux the kernel kills
    us too, even where Python could not run the thread that reads.
    """
    parent = environ.get(SUPERVISED_VARIABLE)
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before we asked to be told
        os._exit(LOST_PARENT)
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    while os.read(0, 64):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def announce_ready(ready_file: Path | None, where: str) -> None:
    """Say that this role serves, and where: in the file somebody waits for, which is written whole or not at all."""
    if ready_file is None:
        return
    ready_file.parent.mkdir(parents=True, exist_ok=True)
    new = ready_file.with_suffix(f".{os.getpid()}")
    new.write_text(where, "utf-8")
    new.replace(ready_file)
