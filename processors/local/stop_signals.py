"""Makes SIGTERM and a closed terminal end a command as Ctrl-C does."""

from __future__ import annotations

import signal


def install_signal_handlers() -> None:
    """Raise ``KeyboardInterrupt`` in the main thread on SIGTERM and on SIGHUP."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
