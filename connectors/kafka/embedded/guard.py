"""Keeps a child from outliving its grandparent: ``python guard.py COMMAND …``, run as a script by `embedded`.

The parent holds the other end of this process's standard input. A byte on it is an order (``t``: terminate,
``k``: kill); its end means that the parent is gone, however it went, and then the child has a second to end by
itself. On Linux the kernel kills the child should this process be killed too. Prints the child's pid first, exits
with the child's status. Standard library only: it is started without site packages, in a few milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def request_kill_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends. Linux only; elsewhere without effect.

    This file may import the standard library alone, so the roles' own parent watch imports it from here.

    Source:
        prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _obey(child: subprocess.Popen[bytes]) -> None:
    while order := os.read(0, 1):
        if order == b"t":
            child.terminate()
        elif order == b"k":
            child.kill()
    child.terminate()
    threading.Timer(GRACE_SECONDS, child.kill).start()


def run_guarded(command: list[str]) -> int:
    """Run the command to its end; its exit status, or 128 + the signal that ended it."""
    # A hook is safe as long as there is one thread; and that thread must live on: the kernel watches it.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, preexec_fn=request_kill_with_parent)
    os.write(1, f"{child.pid}\n".encode())
    os.dup2(2, 1)  # the pid was all the parent wants to read
    threading.Thread(target=_obey, args=(child,), daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    status = run_guarded(sys.argv[1:])
    os._exit(status)  # the thread may sit in a read: an orderly exit would wait for it
