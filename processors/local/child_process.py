"""One role as a process of its own, for the supervisor: its log in a file, its life bound to this process's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from processors.settings.sources import PREFIX, SUPERVISED_VARIABLE

STOP_TIMEOUT_S = 20.0
_TAIL_BYTES = 4096
_TAIL_LINES = 8


@dataclass(slots=True)
class ChildProcess:
    """``smsflow <arguments>`` as a child process.

    Args:
        name: For people, and for the names of its log and its ready file.
        arguments: What follows ``smsflow`` on its command line.
        folder: The data directory.
        settings: Its ``SMSFLOW_*`` variables; it inherits none of this process's.
        stop_timeout_s: How long it may take to end after SIGTERM.
        module: The Python module that is run.
    """

    name: str
    arguments: Sequence[str]
    folder: Path
    settings: Mapping[str, str]
    stop_timeout_s: float = STOP_TIMEOUT_S
    module: str = "processors.cli"
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """The file with all output of the role, over all its restarts."""
        return self.folder / "logs" / f"{self._slug}.log"

    @property
    def pid(self) -> int | None:
        """The process id, or None if it was not started or has been stopped."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process.

        Raises:
            RuntimeError: It runs already.
        """
        if self.alive():
            raise RuntimeError(f"{self.name} runs already")
        self._close()
        self._ready_file.parent.mkdir(parents=True, exist_ok=True)
        self._ready_file.unlink(missing_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                stdin=subprocess.PIPE,  # stays open: its end tells the child that this process is gone
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops all in its order
            )

    def ready(self) -> str | None:
        """The address at which the role serves, or None as long as it does not."""
        try:
            return self._ready_file.read_text("utf-8")
        except FileNotFoundError:
            return None

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after ``stop_timeout_s``; return when the process has ended."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._close()

    def exit_report(self) -> str:
        """How the process ended, and the last lines of its log."""
        status = self._process.poll() if self._process is not None else None
        return f"{_describe_status(status)}; the end of {self.log}:\n{self._log_tail()}"

    @property
    def _slug(self) -> str:
        return self.name.replace(" ", "-")

    @property
    def _ready_file(self) -> Path:
        return self.folder / "run" / f"{self._slug}.ready"

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        own = {SUPERVISED_VARIABLE: str(os.getpid()), f"{PREFIX}READY_FILE": str(self._ready_file)}
        return {**inherited, **self.settings, **own}

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    def _log_tail(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])


def _describe_status(status: int | None) -> str:
    if status is None:
        return "still running"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
