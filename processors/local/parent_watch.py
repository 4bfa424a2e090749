"""Ends a role's process when the supervisor that started it is gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping

from connectors.kafka.embedded.guard import request_kill_with_parent
from processors.settings.sources import SUPERVISED_VARIABLE

LOST_PARENT = 70
"""The exit status of a process whose supervisor was gone before the process could watch it."""


def exit_with_parent(environ: Mapping[str, str] = os.environ) -> None:
    """End this process when its supervisor ends, however the supervisor ends. Without a supervisor, do nothing.

    Call this before anything else. The supervisor has the other end of this process's standard input open; its end of
    file means that the supervisor is gone. On Linux the kernel kills this process too, even while Python cannot run
    the thread that reads.

    Args:
        environ: Its ``SMSFLOW_SUPERVISED`` is the supervisor's process id.
    """
    parent = environ.get(SUPERVISED_VARIABLE)
    if parent is None:
        return
    request_kill_with_parent()
    if os.getppid() != int(parent):  # the supervisor ended before the kernel knew of the request
        os._exit(LOST_PARENT)
    threading.Thread(target=_kill_at_end_of_input, name="parent-watch", daemon=True).start()


def _kill_at_end_of_input() -> None:
    while os.read(0, 64):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
